import Glibc
import TestSupport
import Testing

extension EngineNode {
  /// Everything that containers which are gone should not have left in the node: the runtime's records and
  /// processes, shims and monitors, cgroups, mounts of root file systems. Empty when all is well.
  ///
  /// - Parameter roots: patterns (of the shell) of the runtime's state directories.
  func leaks(roots: String) throws -> [String] {
    let result = try shell(
      #"""
      for root in $1; do
        [ -d "$root" ] || continue
        "$RUNTIME" --root "$root" list -q | sed "s|^|container in $root: |"
        find "$root" -mindepth 1 -maxdepth 1 ! -name '.*' | sed 's|^|state |'
      done
      for process in /proc/[0-9]*; do
        program=$(readlink "$process/exe") || continue
        case "$program" in
          */minidock | */containerd-shim* | */conmon) ;;
          *) continue ;;
        esac
        state=$(sed 's/.*) \(.\).*/\1/' "$process/stat" 2> /dev/null)
        [ "$state" = Z ] || echo "process $(tr '\0' ' ' < "$process/cmdline")"
      done
      grep ' - cgroup' /proc/self/mountinfo | while read -r _ _ _ _ point rest; do
        case $point in /sys/fs/cgroup*) find "$point" -mindepth 2 -type d | sed 's|^|cgroup |' ;; esac
      done
      grep -E "overlay|rootfs" /proc/self/mountinfo | sed 's|^|mount |'
      """#, roots)
    return result.output.split(separator: "\n").map(String.init)
  }

  /// Waits until containers that are being removed have left nothing; an engine answers before it is done.
  func expectNoLeaks(roots: String, sourceLocation: SourceLocation = #_sourceLocation) throws {
    var left: [String] = []
    for _ in 0..<300 {
      left = try leaks(roots: roots)
      if left.isEmpty { return }
      usleep(200_000)
    }
    #expect(left.isEmpty, sourceLocation: sourceLocation)
  }
}
