/// One line of /proc/PID/mountinfo (proc(5)).
public struct MountInfo: Sendable, Equatable {
  /// The mount's id (field 1), which the kernel may give out again after an unmount.
  public let id: Int
  /// The path within the file system that is seen at the mount point (field 4): "/" but for binds.
  public let root: String
  /// Where it is mounted, relative to the process's root (field 5).
  public let mountPoint: String
  /// Options of this mount alone, separated by commas (field 6): "ro,nosuid".
  public let options: String
  /// The file system's type, with a subtype after a dot: "ext4", "fuse.sshfs".
  public let type: String
  /// The device or other source; "none" or any word where the file system has none.
  public let source: String
  /// Options of the file system, which all its mounts share; "" when the line has none.
  public let superOptions: String
  /// Propagation fields such as "shared:1".
  public let tags: [String]

  /// The mounts of this process's namespace.
  public static func current() throws(Failure) -> [MountInfo] {
    try parse(Files.read("/proc/self/mountinfo", limit: 64 << 20) ?? [])
  }

  /// Parses the file's content; lines that are no mounts are skipped.
  public static func parse(_ bytes: [UInt8]) -> [MountInfo] {
    bytes.split(separator: UInt8(ascii: "\n")).compactMap { line in
      let fields = line.split(separator: UInt8(ascii: " "))
      guard let dash = fields.firstIndex(where: { $0.elementsEqual([UInt8(ascii: "-")]) }),
        dash >= 6, fields.count >= dash + 3
      else { return nil }
      func text(_ index: Int) -> String { unescape(fields[index]) }
      return MountInfo(
        id: Int(text(0)) ?? 0, root: text(3), mountPoint: text(4), options: text(5),
        type: text(dash + 1), source: text(dash + 2),
        superOptions: fields.count > dash + 3 ? text(dash + 3) : "",
        tags: fields[6..<dash].map { String(decoding: $0, as: UTF8.self) })
    }
  }

  // Space, tab, line feed and backslash stand as three octal digits.
  private static func unescape(_ field: ArraySlice<UInt8>) -> String {
    guard field.contains(UInt8(ascii: "\\")) else { return String(decoding: field, as: UTF8.self) }
    let bytes = Array(field)
    var result: [UInt8] = []
    var index = 0
    while index < bytes.count {
      if bytes[index] == UInt8(ascii: "\\"), index + 3 < bytes.count,
        let value = UInt8(
          String(decoding: bytes[(index + 1)...(index + 3)], as: UTF8.self), radix: 8)
      {
        result.append(value)
        index += 4
      } else {
        result.append(bytes[index])
        index += 1
      }
    }
    return String(decoding: result, as: UTF8.self)
  }
}
