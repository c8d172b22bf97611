import Glibc
import Linux
import TestSupport
import Testing

/// What the systemd service does at boot and shutdown, and what `make install` installs.
@Suite(.enabled(if: MinidockFixture.isAvailable, MinidockFixture.requirement))
struct ServiceTests {
  let fixture: MinidockFixture

  init() throws {
    fixture = try MinidockFixture("service")
    try fixture.importBusybox()
  }

  @Test func aShutdownStopsAllAndTheNextBootStartsThemAgain() throws {
    let trap = "trap 'echo asked; exit 0' TERM; echo ready; while :; do sleep 0.05; done"
    for (name, policy) in [
      ("kept", "unless-stopped"), ("once", "no"), ("stopped", "unless-stopped"),
    ] {
      try fixture.succeed(
        "run", "-d", "--network", "none", "--name", name, "--restart", policy, "busybox", "sh",
        "-c",
        trap)
      for _ in 0..<200 {
        if try fixture.succeed("logs", name).contains("ready") { break }
        usleep(10_000)
      }
    }
    try fixture.succeed("stop", "stopped")
    try fixture.succeed("pause", "once")
    #expect(Set(try fixture.succeed("stop", "--shutdown").lines) == ["kept", "once"])
    #expect(try fixture.succeed("ps", "-q") == "")
    // Each was asked, and had the time to answer.
    for name in ["kept", "once"] {
      #expect(try fixture.succeed("logs", name).contains("asked"), "\(name)")
      #expect(try fixture.succeed("inspect", "-f", "{{.State.ExitCode}}", name) == "0")
    }
    #expect(try fixture.succeed("start", "--restart-policy") == "kept")
    #expect(try fixture.succeed("ps", "--format", "{{.Names}}") == "kept")
    #expect(try fixture.succeed("stop", "--shutdown") == "kept")
    try fixture.refuse(["stop"], status: 125)
    try fixture.refuse(["stop", "--shutdown", "kept"], status: 125)
    try fixture.refuse(["stop", "--shutdown", "-t", "3"], status: 125)
    try fixture.succeed("rm", "kept", "once", "stopped")
    try fixture.expectNoLeaks()
  }

  @Test(.enabled(if: hasProgram("make"), "needs make"))
  func makeInstallPutsTheServiceBesideTheProgramThatItNames() throws {
    // -o: what is built stays as it is.
    let make = #"make -s -o build -o images -o deps DESTDIR="$DIRECTORY/place" PREFIX=/opt/md "$1""#
    let install = try fixture.shell(make, "install")
    #expect(install.status == 0, "\(install)")
    let unit = fixture.file("place/opt/md/lib/systemd/system/minidock.service")
    let text = try #require(Files.text(unit))
    #expect(text.contains("ExecStart=/opt/md/bin/minidock start --restart-policy\n"))
    #expect(text.contains("ExecStop=/opt/md/bin/minidock stop --shutdown\n"))
    #expect(!text.contains("@"))
    #expect(Files.exists(fixture.file("place/opt/md/bin/minidock")))
    if hasProgram("systemd-analyze") {
      let result = try fixture.shell(
        #"sed "s|/opt/md|$DIRECTORY/place/opt/md|" "$1" > "$DIRECTORY/minidock.service" && "#
          + #"systemd-analyze verify --man=no "$DIRECTORY/minidock.service""#, unit)
      #expect(result.errors.split(separator: "\n").allSatisfy { !$0.contains("minidock.service") })
    }
    #expect(try fixture.shell(make, "uninstall").status == 0)
    let left = try fixture.shell(#"find "$DIRECTORY/place" -type f"#)
    #expect(left.output == "", "\(left)")
  }
}
