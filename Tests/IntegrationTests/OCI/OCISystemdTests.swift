import Linux
import TestSupport
import Testing

/// `--systemd-cgroup` where there is no systemd: Tests/VM has one.
@Suite(.enabled(if: MinidockFixture.isAvailable, MinidockFixture.requirement))
struct OCISystemdTests {
  private func create(
    _ fixture: OCIFixture, path: String, address: String = "unix:path=/nowhere/socket"
  ) throws -> CommandResult {
    let bundle = try fixture.bundle("one", ["true"]) {
      try $0.set("linux.cgroupsPath", JSONValue.string(path).compact)
    }
    return try fixture.oci(
      ["--systemd-cgroup", "create", "--bundle", bundle, fixture.id("one")],
      program: [
        "env", "DBUS_SYSTEM_BUS_ADDRESS=" + address, MinidockFixture.binary, "oci",
      ])
  }

  @Test func `without systemd the option, what is missing and the remedy are named`() throws {
    let fixture = try OCIFixture("systemd")
    let result = try create(fixture, path: "system.slice:box:one")
    #expect(result.status == 1)
    for word in ["--systemd-cgroup", "/nowhere/socket", "cgroupfs"] {
      #expect(result.errors.contains(word), "\(result.errors)")
    }
    #expect(try fixture.oci("list", "--quiet").output == "")
  }

  @Test func `a path of the cgroupfs driver is refused by its field`() throws {
    let fixture = try OCIFixture("systemd")
    let result = try create(fixture, path: "/some/group")
    #expect(result.status == 1)
    #expect(result.errors.contains("linux.cgroupsPath"), "\(result.errors)")
    #expect(result.errors.contains("slice:prefix:name"), "\(result.errors)")
  }

  @Test func `an address of another kind is refused by its name`() throws {
    let fixture = try OCIFixture("systemd")
    let result = try create(
      fixture, path: "system.slice:box:one", address: "tcp:host=localhost,port=1")
    #expect(result.status == 1)
    #expect(result.errors.contains("DBUS_SYSTEM_BUS_ADDRESS"), "\(result.errors)")
  }
}
