import Glibc
import Linux
import TestSupport
import Testing

/// minidock on a real cgroup-v2 machine in QEMU: Tests/VM holds the machine and its checks.
@Suite(.enabled(if: MinidockFixture.isAvailable, MinidockFixture.requirement))
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
  func everyCheckPassesOnACgroupV2Machine() throws {
    let result = try run(["bash", VMTests.script, MinidockFixture.binary], timeoutSeconds: 900)
    #expect(result.status == 0, "\(result.output)\n\(result.errors)")
    #expect(!result.output.contains("\nnot ok"))
    #expect(result.output.contains("\nok ") || result.output.hasPrefix("ok "), "\(result.output)")
  }
}
