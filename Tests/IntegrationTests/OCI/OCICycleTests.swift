import Linux
import TestSupport
import Testing

/// `minidock oci` by hand, without an engine: what its processes cost and what they leave.
@Suite(.enabled(if: MinidockFixture.isAvailable, MinidockFixture.requirement), .serialized)
struct OCICycleTests {
  let fixture: MinidockFixture

  init() throws {
    fixture = try MinidockFixture("oci")
    _ = try fixture.makeTree("rootfs", changes: "")
  }

  // A bundle whose command is a shell line, changed by sed; `oci` calls the runtime; `ended` waits for a
  // container's process.
  private static let helpers = #"""
    set -e
    cd "$DIRECTORY"
    oci() { "$MINIDOCK-oci" --root "$DIRECTORY/state" "$@" </dev/null; }
    bundle() { # bundle COMMAND SED
      mkdir -p bundle
      rm -f bundle/config.json
      oci spec --bundle bundle
      sed -i -e 's/"terminal": true/"terminal": false/; s#"path": "rootfs"#"path": "'"$DIRECTORY/rootfs"'"#' \
        -e 's#"sh"#"sh", "-c", "'"$1"'"#' -e "$2" bundle/config.json
    }
    ended() {
      tries=0
      until oci state "$1" | grep -q '"stopped"'; do
        tries=$((tries + 1))
        [ $tries -lt 1200 ] || { echo "does not end: $1" >&2; exit 1; }
        sleep 0.05
      done
    }

    """#

  private func script(_ text: String, _ arguments: String...) throws -> CommandResult {
    try TestSupport.run(
      ["bash", "-c", OCICycleTests.helpers + text, "test"] + arguments,
      environment: fixture.environment + [
        "MINIDOCK=\(MinidockFixture.binary)", "DIRECTORY=\(fixture.directory)",
      ], timeoutSeconds: 900)
  }

  @Test("Create, start and delete again and again leave nothing (MINIDOCK_TEST_ROUNDS)")
  func cyclesLeaveNothing() throws {
    let result = try script(
      #"""
      remains() {
        awk '{ print "mount", $5 }' /proc/self/mountinfo | grep -F "$DIRECTORY" || true
        find /sys/fs/cgroup -type d -path "*/$2/*" | sed 's/^/cgroup /'
        find "$DIRECTORY/state" -mindepth 1 ! -path '*/.seccomp*' | sed 's/^/file /'
        for process in /proc/[0-9]*; do
          if { tr '\0' ' ' <"$process/environ"; } 2>/dev/null | grep -q "CYCLE=$2"; then echo "$process"; fi
        done
      }
      bundle true 's#"linux": {#"linux": { "cgroupsPath": "/'"$2"'/one",#; s#"PATH=#"CYCLE='"$2"'", "PATH=#'
      for number in $(seq "$1"); do
        oci create --bundle bundle one
        oci start one
        if [ $((number % 2)) = 0 ]; then ended one; oci delete one; else oci delete --force one; fi
      done
      remains x "$2"
      for group in /sys/fs/cgroup/*/"$2" /sys/fs/cgroup/"$2"; do
        [ ! -d "$group" ] || rmdir "$group"
      done
      """#, Console.environment("MINIDOCK_TEST_ROUNDS") ?? "12",
      "minidock-cycle-\(randomHex(bytes: 5))")
    #expect(result.status == 0, "\(result.errors)")
    #expect(result.output == "", "left behind: \(result.output)")
  }

  @Test("A container of 8 MB is made and runs")
  func smallContainer() throws {
    let result = try script(
      #"""
      bundle "echo ran" 's#"resources": {#"resources": { "memory": { "limit": 8388608 },#'
      grep -q 8388608 bundle/config.json
      oci run --bundle bundle small
      """#)
    #expect(result.status == 0, "\(result.errors)")
    #expect(result.output == "ran\n")
  }

  @Test(
    "Ambient capabilities that cannot be granted are a warning, as bundles of runc's spec need it")
  func ambientCapabilities() throws {
    let result = try script(
      #"""
      bundle "grep CapAmb /proc/self/status" 's#"capabilities": {#"capabilities": { "ambient": ["CAP_KILL"],#'
      oci run --bundle bundle without
      sed -i 's#"ambient"#"inheritable": ["CAP_KILL"], "ambient"#' bundle/config.json
      oci run --bundle bundle with
      """#)
    #expect(result.status == 0, "\(result.errors)")
    #expect(result.output == "CapAmb:\t0000000000000000\nCapAmb:\t0000000000000020\n")
    #expect(result.errors.lines.count == 1, "\(result.errors)")
    #expect(result.errors.contains("process.capabilities.ambient: without CAP_KILL"))
  }
}
