import Linux
import TestSupport
import Testing

/// What every list begins with, where it may pass over what it knows already.
@Suite(.enabled(if: MinidockFixture.isAvailable, MinidockFixture.requirement), .serialized)
struct SweepTests {
  let fixture: MinidockFixture

  init() throws {
    fixture = try MinidockFixture("sweep")
    try fixture.importBusybox()
  }

  @Test func leftoversBesideALivingContainerGoAndItStays() throws {
    try fixture.succeed("run", "-d", "--name", "lives", "busybox", "sleep", "600")
    let result = try fixture.shell(
      """
      group=$("$MINIDOCK" inspect -f '{{.HostConfig.CgroupPath}}' lives)
      ghost=$(printf %064d 7)
      made=0
      for tree in /sys/fs/cgroup /sys/fs/cgroup/*; do
        [ -d "$tree${group%/*}" ] && mkdir "$tree${group%/*}/$ghost" && made=$((made + 1))
      done
      ln -s "$ghost" "$MINIDOCK_ROOT/names/ghost"
      "$MINIDOCK" ps --format '{{.Names}} {{.State}}'
      find /sys/fs/cgroup -maxdepth 4 -name "$ghost"
      find "$MINIDOCK_ROOT/names" -name ghost
      [ $made -gt 0 ] || echo "no group was made"
      """)
    #expect(result.output == "lives running\n", "\(result.output) \(result.errors)")
    try fixture.succeed("pause", "lives")
    #expect(try fixture.succeed("ps", "--format", "{{.State}}") == "paused")
    try fixture.succeed("unpause", "lives")
    #expect(try fixture.succeed("ps", "--format", "{{.State}}") == "running")
    try fixture.succeed("rm", "-f", "lives")
    try fixture.expectNoLeaks()
  }
}
