import Linux
import TestSupport
import Testing

@testable import Engine

/// What the kernel says of programs for other processors (binfmt_misc).
@Suite struct EmulationTests {
  @Test func anEnabledInterpreterIsWhatItTakes() throws {
    let directory = try TemporaryDirectory("binfmt")
    func emulates(_ name: String) -> Bool {
      HostPlatform.emulates(name, registrations: directory.path)
    }
    #expect(!emulates("s390x"))
    let text = "interpreter /usr/bin/qemu-s390x\nflags: F\noffset 0\nmagic 7f454c46\n"
    try directory.write("qemu-s390x", "enabled\n" + text)
    // Not without the whole mechanism.
    #expect(!emulates("s390x"))
    try directory.write("status", "enabled\n")
    #expect(emulates("s390x"))
    try directory.write("status", "disabled\n")
    #expect(!emulates("s390x"))
    try directory.write("status", "enabled\n")
    try directory.write("qemu-s390x", "disabled\n" + text)
    #expect(!emulates("s390x"))
  }

  @Test(arguments: [
    ("arm64", "qemu-aarch64"), ("mips64le", "qemu-mips64el"), ("ppc64le", "qemu-ppc64le"),
    ("riscv64", "qemu-riscv64"), ("arm", "qemu-arm"), ("loong64", "qemu-loongarch64"),
  ]) func ociNamesAreFoundUnderQEMUsNames(_ architecture: String, _ entry: String) throws {
    let directory = try TemporaryDirectory("binfmt")
    try directory.write("status", "enabled\n")
    #expect(!HostPlatform.emulates(architecture, registrations: directory.path))
    try directory.write(entry, "enabled\n")
    #expect(HostPlatform.emulates(architecture, registrations: directory.path))
  }

  @Test(arguments: ["", "../../../etc/passwd", "a/b", "status", "s390x\n"])
  func whatIsNoArchitectureIsNotLookedUp(_ architecture: String) throws {
    let directory = try TemporaryDirectory("binfmt")
    try directory.write("status", "enabled\n")
    try directory.write("qemu-", "enabled\n")
    #expect(!HostPlatform.emulates(architecture, registrations: directory.path))
  }
}
