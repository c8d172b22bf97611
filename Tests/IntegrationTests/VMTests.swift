import Glibc
import Linux
import TestSupport
import Testing

/// minidock on a real cgroup-v2 machine in QEMU: Tests/VM holds the machine and its checks.
@Suite(.serialized, .enabled(if: MinidockFixture.isAvailable, MinidockFixture.requirement))
struct VMTests {
  private static let script = "Tests/VM/run.sh"

  // A simulation: nothing is fetched or installed.
  private static var hasEmulator: Bool {
    if hasProgram("qemu-system-x86_64") { return true }
    let simulation = try? run(["apt-get", "-qq", "--simulate", "install", "qemu-system-x86"])
    return simulation?.status == 0
  }

  @Test(
    .enabled(if: getenv("MINIDOCK_SKIP_VM") == nil, "MINIDOCK_SKIP_VM is set"),
    .enabled(
      if: VMTests.hasEmulator, "qemu-system-x86_64 is not installed, and apt-get does not know it"),
    .enabled(
      if: access("Tests/VM/run.sh", R_OK) == 0, "needs the package's folder as the current one"))
  func everyCheckPassesOnACgroupV2Machine() throws { try expectSuccess([]) }

  @Test(
    .enabled(if: getenv("MINIDOCK_SKIP_VM") == nil, "MINIDOCK_SKIP_VM is set"),
    .enabled(
      if: VMTests.hasEmulator, "qemu-system-x86_64 is not installed, and apt-get does not know it"),
    .enabled(
      if: access("/lib/systemd/systemd", X_OK) == 0 && access("/usr/bin/dbus-daemon", X_OK) == 0,
      "systemd or dbus-daemon is not installed"),
    .enabled(
      if: access("Tests/VM/run.sh", R_OK) == 0, "needs the package's folder as the current one"))
  func everyCheckPassesOnAMachineWithSystemd() throws {
    try expectSuccess(["--systemd"])
    // Another minute and a half: when asked for.
    if getenv("MINIDOCK_VM_HYBRID") != nil {
      try expectSuccess(["--systemd"], options: "systemd.unified_cgroup_hierarchy=0")
    }
  }

  private func expectSuccess(_ flags: [String], options: String = "") throws {
    let result = try run(
      ["env", "VM_OPTIONS=" + options, "bash", VMTests.script] + flags + [MinidockFixture.binary],
      timeoutSeconds: 900)
    #expect(result.status == 0, "\(result.output)\n\(result.errors)")
    #expect(!result.output.contains("\nnot ok"))
    #expect(result.output.contains("\nok ") || result.output.hasPrefix("ok "), "\(result.output)")
  }
}
