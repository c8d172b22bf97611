import Glibc
import Linux
import TestSupport
import Testing

/// A machine of its own for an engine, made of namespaces: processes, mounts, network, host name, cgroups.
///
/// An engine in it sees itself as the only one on its host: its own /run, /sys/fs/cgroup (of the kinds the
/// host has), loopback and nothing else of a network. The node's first process adopts and reaps; its end is
/// the end of everything in the node, whatever state the engine is in.
final class EngineNode {
  /// What the node makes of the host's cgroup hierarchies.
  enum Hierarchies: String {
    /// The same as the host.
    case all
    /// Without the v2 hierarchy that a host with both kinds has: Debian 12's podman refuses that mixture.
    case withoutUnified
  }

  /// The host name, and the name of the node's cgroups.
  let name: String
  /// The node's directory, on a tmpfs; the same path inside.
  let directory: String
  /// A link to the executable under the name that makes it a runtime: what engines are told to use.
  let runtime: String
  private let first: BackgroundProcess
  private let inside: Int32

  /// Starts an empty node.
  init(_ label: String, hierarchies: Hierarchies = .all) throws {
    let base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp"
    name = "md-\(label)-\(randomHex(bytes: 3))"
    directory = "\(base)/\(name)"
    runtime = directory + "/minidock-oci"
    try Files.claimDirectory(directory, mode: 0o755)
    symlink(MinidockFixture.runtime, runtime)
    first = try BackgroundProcess(
      ["bash", "-c", EngineNode.start, name, directory, hierarchies.rawValue])
    guard try first.wait(untilOutput: { $0.contains("ready") }, timeoutSeconds: 60) else {
      throw Failure(.invalid, "make", "node \(name)", reason: first.errors)
    }
    let children = Files.text("/proc/\(first.pid)/task/\(first.pid)/children") ?? ""
    guard let pid = children.split(separator: " ").first.flatMap({ Int32($0) }) else {
      throw Failure(.invalid, "find", "first process of node \(name)", reason: first.errors)
    }
    inside = pid
  }

  deinit {
    first.signal(SIGKILL)
    _ = try? first.wait(timeoutSeconds: 60)
    // What the end of the first process kills needs a moment to be gone, and to let go of its groups.
    _ = try? TestSupport.run(["bash", "-c", EngineNode.end, name, directory])
  }

  /// Runs a program in the node to its end.
  @discardableResult
  func run(
    _ words: [String], input: [UInt8] = [], timeoutSeconds: Int = 120
  ) throws -> CommandResult {
    try TestSupport.run(entering + words, input: input, timeoutSeconds: timeoutSeconds)
  }

  /// Runs a shell script in the node; `$NODE` is its directory, `$RUNTIME` the runtime's path.
  @discardableResult
  func shell(
    _ script: String, _ arguments: String..., timeoutSeconds: Int = 120
  ) throws -> CommandResult {
    try run(
      ["env", "NODE=\(directory)", "RUNTIME=\(runtime)", "bash", "-c", script, "node"] + arguments,
      timeoutSeconds: timeoutSeconds)
  }

  /// Runs a program in the node, which must end well, and returns its output without the last line feed.
  @discardableResult
  func succeed(
    _ words: [String], input: [UInt8] = [], timeoutSeconds: Int = 120,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> String {
    let result = try run(words, input: input, timeoutSeconds: timeoutSeconds)
    let errors = String(result.errors.suffix(4000))
    try #require(result.status == 0, "\(words): \(errors)", sourceLocation: sourceLocation)
    return result.output.trimmingLineFeeds
  }

  /// Starts a program in the node and leaves it running.
  func start(_ words: [String]) throws -> BackgroundProcess {
    try BackgroundProcess(entering + words)
  }

  /// Moves the end of a pair of links into the node, where it becomes `device` with an address.
  func join(link: String, as device: String, address: String) throws {
    let result = try TestSupport.run(["ip", "link", "set", link, "netns", "\(inside)"])
    try #require(result.status == 0, "\(result.errors)")
    try succeed(["ip", "link", "set", link, "name", device])
    try succeed(["ip", "addr", "add", address, "dev", device])
    try succeed(["ip", "link", "set", device, "up"])
  }

  /// Calls `body` until it is true, for at most three minutes.
  func wait(
    _ what: String, sourceLocation: SourceLocation = #_sourceLocation, until body: () throws -> Bool
  ) throws {
    for _ in 0..<900 {
      if try body() { return }
      usleep(200_000)
    }
    Issue.record("\(what): not within three minutes", sourceLocation: sourceLocation)
    throw Failure(.invalid, "wait for", what, reason: "it did not happen")
  }

  // Groups are joined from inside, where their names are those of the node.
  private var entering: [String] {
    [
      "nsenter", "-t", "\(inside)", "-m", "-n", "-p", "-u", "-i", "-C", "sh", "-c",
      #"""
      for group in /sys/fs/cgroup/*/cgroup.procs /sys/fs/cgroup/init/cgroup.procs; do
        [ ! -e $group ] || echo 0 > $group
      done 2> /dev/null
      cd /; exec "$@"
      """#, "sh",
    ]
  }

  // Arguments: name (as $0), directory, hierarchies.
  private static let start = #"""
    set -e
    grep ' - cgroup' /proc/self/mountinfo > $1/cgroups
    while read -r _ _ _ _ point rest; do
      mkdir $point/$0
      if [ -e $point/$0/cpuset.cpus ] && [ -e $point/tasks ]; then
        cat $point/cpuset.cpus > $point/$0/cpuset.cpus
        cat $point/cpuset.mems > $point/$0/cpuset.mems
      fi
      # On a host with v2 alone its root gives what it has to the node.
      if [ -s $point/cgroup.controllers ]; then
        for one in $(cat $point/cgroup.controllers); do
          echo +$one > $point/cgroup.subtree_control || true
        done
      fi
      echo $$ > $point/$0/cgroup.procs
    done < $1/cgroups
    exec unshare --mount --net --pid --cgroup --uts --ipc --fork --kill-child --mount-proc \
      bash -c '
        set -e
        hostname $0
        ip link set lo up
        umount -l /sys
        mount -t sysfs sysfs /sys
        grep -q " /sys/fs/cgroup .* - cgroup2 " $1/cgroups || mount -t tmpfs cgroup /sys/fs/cgroup
        while read -r _ _ _ _ point rest; do
          kind=${rest##* - }; kind=${kind%% *}
          options=${rest##* }; options=${options#rw,}
          if [ $kind = cgroup2 ]; then
            [ $2 != withoutUnified ] || [ $point = /sys/fs/cgroup ] || continue
            options=rw
          fi
          mkdir -p $point
          mount -t $kind -o $options cgroup $point
        done < $1/cgroups
        # A v2 group with groups below it has no processes of its own.
        if [ -s /sys/fs/cgroup/cgroup.controllers ]; then
          mkdir /sys/fs/cgroup/init
          for pid in $(cat /sys/fs/cgroup/cgroup.procs); do
            echo $pid > /sys/fs/cgroup/init/cgroup.procs || true
          done
          for one in $(cat /sys/fs/cgroup/cgroup.controllers); do
            echo +$one > /sys/fs/cgroup/cgroup.subtree_control || true
          done
        fi
        umount -l /run/netns 2> /dev/null || true
        mount -t tmpfs run /run
        mkdir -p /run/lock
        echo ready
        while :; do sleep 1000 & wait; done
      ' $0 $1 $2
    """#

  private static let end = #"""
    for _ in $(seq 600); do
      left=
      while read -r _ _ _ _ point rest; do
        find $point/$0 -depth -type d -exec rmdir {} \; 2> /dev/null
        [ ! -e $point/$0 ] || left=$point
      done < $1/cgroups
      [ -n "$left" ] || break
      sleep 0.1
    done
    for _ in $(seq 100); do rm -rf $1 2> /dev/null && break; sleep 0.1; done
    """#
}
