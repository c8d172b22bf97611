import Image
import Linux

/// The machine in OCI's words.
public enum HostPlatform {
  /// GOARCH of this build: "amd64", "arm64".
  public static var architecture: String {
    #if arch(x86_64)
      "amd64"
    #elseif arch(arm64)
      "arm64"
    #else
      "unknown"
    #endif
  }

  /// Whether binfmt_misc has an enabled interpreter for an architecture.
  ///
  /// - Parameter registrations: where the kernel tells of them.
  static func emulates(
    _ architecture: String, registrations: String = "/proc/sys/fs/binfmt_misc"
  ) -> Bool {
    if architecture == "386" && HostPlatform.architecture == "amd64" { return true }
    // The names of QEMU's programs, after which its packages call their entries.
    let machines = [
      "amd64": "x86_64", "arm64": "aarch64", "386": "i386", "mipsle": "mipsel",
      "mips64le": "mips64el", "loong64": "loongarch64",
    ]
    let machine = machines[architecture] ?? architecture
    guard !machine.isEmpty, machine.utf8.allSatisfy(ImagePlatform.isWordByte) else { return false }
    // The kernel's own words (Documentation/admin-guide/binfmt-misc.rst), for all and for each.
    func isEnabled(_ name: String) -> Bool {
      (Files.text("\(registrations)/\(name)") ?? "").hasPrefix("enabled")
    }
    return isEnabled("status") && isEnabled("qemu-\(machine)")
  }

  /// Why images for a platform cannot be run here; nil when they can.
  static func refusal(
    _ platform: ImagePlatform, _ operation: String, _ object: String, remedy: String = ""
  ) -> Failure? {
    let host = ImagePlatform.host
    let hasSystem = platform.os == host.os
    if hasSystem, platform.architecture == host.architecture || emulates(platform.architecture) {
      return nil
    }
    let emulation = "register an emulator with binfmt_misc (package qemu-user-static)"
    let remedies = [remedy, hasSystem ? emulation : ""].filter { !$0.isEmpty }
    return Failure(
      .unsupported, operation, object,
      reason: "it is for \(platform), this machine is \(host)",
      remedy: remedies.joined(separator: ", or "))
  }
}
