import Image
import Linux
import Runtime

/// What `version` and `info` show.
public enum SystemInformation {
  /// minidock's version and the host that it runs on.
  public static func version(_ number: String) -> JSONValue {
    .object([
      ("Version", .string(number)),
      ("OCIRuntimeSpec", .string(Spec().ociVersion)),
      ("OsArch", .string("linux/" + HostPlatform.architecture)),
      ("KernelVersion", .string(Files.text("/proc/sys/kernel/osrelease") ?? "unknown")),
    ])
  }

  /// The installation and what the host offers.
  public static func info(
    _ installation: Installation, version: String
  ) throws(Failure) -> JSONValue {
    let containers = try ContainerList(installation).list(all: true, last: 0, filters: [])
    let running = containers.filter { $0.state.status == .running }.count
    let images = try installation.imageStore().list()
    let hierarchy = try? CgroupHierarchy.detect()
    return .object([
      ("ServerVersion", .string(version)),
      ("Containers", .number(Int64(containers.count))),
      ("ContainersRunning", .number(Int64(running))),
      ("ContainersStopped", .number(Int64(containers.count - running))),
      ("Images", .number(Int64(images.count))),
      ("Driver", .string("overlay2")),
      ("MinidockRootDir", .string(installation.root)),
      ("MinidockRunRootDir", .string(installation.runRoot)),
      ("CgroupDriver", .string("cgroupfs")),
      ("CgroupVersion", .string(hierarchy.map { $0.mode.rawValue } ?? "none")),
      ("SwapLimit", .bool(hierarchy?.accountsSwap ?? false)),
      ("SecurityOptions", .strings(["seccomp=builtin", "cgroupns"])),
      ("KernelVersion", .string(Files.text("/proc/sys/kernel/osrelease") ?? "unknown")),
      ("OperatingSystem", .string(operatingSystem)),
      ("OSType", .string("linux")),
      ("Architecture", .string(HostPlatform.architecture)),
      ("NCPU", .number(Int64(HostPlatform.processors))),
      ("MemTotal", .number(HostPlatform.memory)),
      ("Name", .string(Files.text("/proc/sys/kernel/hostname") ?? "")),
    ])
  }

  /// The members of a document as lines, lists joined by commas.
  public static func lines(_ document: JSONValue) -> [(String, String)] {
    guard case .object(let members) = document else { return [] }
    return members.map { key, value in
      switch value {
      case .string(let text): (key, text)
      case .array(let items): (key, items.map { lines(item: $0) }.joined(separator: ", "))
      case .number(let number) where key == "MemTotal": (key, ByteCount.binary(number))
      default: (key, value.compact)
      }
    }
  }

  private static func lines(item: JSONValue) -> String {
    if case .string(let text) = item { return text }
    return item.compact
  }

  private static var operatingSystem: String {
    let text = Files.text("/etc/os-release") ?? ""
    for line in text.split(separator: "\n") where line.hasPrefix("PRETTY_NAME=") {
      return String(line.dropFirst(12).filter { $0 != "\"" })
    }
    return "Linux"
  }
}

extension HostPlatform {
  /// The number of processors that are online.
  static var processors: Int { SystemLimits.processors }

  /// Bytes of memory.
  static var memory: Int64 { SystemLimits.memory }
}
