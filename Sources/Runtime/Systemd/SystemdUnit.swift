import Linux

/// The unit that a `cgroupsPath` of the form `slice:prefix:name` asks for (runc's docs/systemd.md).
struct SystemdUnit: Equatable, Sendable {
  /// The slice that it is in: "system.slice", or "-.slice" for none.
  var slice: String
  /// The scope: "prefix-name.scope".
  var name: String

  /// Reads a path.
  ///
  /// - Parameters:
  ///   - path: "" for runc's defaults.
  ///   - id: the container's.
  ///   - isUser: whether systemd is a user's own, whose containers are in user.slice when nothing is said.
  /// - Throws: ``Failure/Code/invalid`` naming linux.cgroupsPath.
  init(path: String, id: String, isUser: Bool) throws(Failure) {
    let fallback = isUser ? "user.slice" : "system.slice"
    if path.isEmpty {
      slice = fallback
      name = "minidock-\(id).scope"
    } else {
      let parts = path.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
      guard parts.count == 3, !path.contains("/") else {
        throw SystemdUnit.refusal(
          path, "expected cgroupsPath to be of format \"slice:prefix:name\" for systemd cgroups")
      }
      slice = parts[0].isEmpty ? fallback : parts[0] == "-" ? "-.slice" : parts[0]
      name = (parts[1].isEmpty ? "" : parts[1] + "-") + parts[2] + ".scope"
      guard !parts[2].isEmpty else { throw SystemdUnit.refusal(path, "its name is empty") }
      guard !parts[2].hasSuffix(".slice") else {
        throw SystemdUnit.refusal(path, "a slice has no processes of its own")
      }
    }
    for text in [slice, name] {
      guard text.utf8.count <= 255, text.utf8.allSatisfy(SystemdUnit.isNamePart) else {
        throw SystemdUnit.refusal(
          path, "\"\(text)\" is no unit's name: at most 255 letters, digits and :-_.\\@")
      }
    }
    _ = try directory(path)
  }

  /// Whether a path has the form, whatever its parts are.
  static func hasForm(_ path: String) -> Bool {
    path.utf8.count { $0 == UInt8(ascii: ":") } == 2 && !path.contains("/")
  }

  /// The scope's group below that of the manager: "/a.slice/a-b.slice/prefix-name.scope".
  var cgroup: String { ((try? directory("")) ?? "") + "/" + name }

  // systemd.slice(5): each dash is a step down. "a-b.slice" is in "a.slice", and "-.slice" is the root.
  private func directory(_ path: String) throws(Failure) -> String {
    guard slice.hasSuffix(".slice"), slice.utf8.count > 6, !slice.contains("/") else {
      throw SystemdUnit.refusal(path, "invalid slice name: \(slice)")
    }
    let stem = slice.dropLast(6)
    if stem == "-" { return "" }
    var directory = ""
    var prefix = ""
    for part in stem.split(separator: "-", omittingEmptySubsequences: false) {
      guard !part.isEmpty else {
        throw SystemdUnit.refusal(path, "invalid slice name: \(slice)")
      }
      directory += "/\(prefix)\(part).slice"
      prefix += part + "-"
    }
    return directory
  }

  private static func isNamePart(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"):
      true
    default: ":-_.\\@".utf8.contains(byte)
    }
  }

  private static func refusal(_ path: String, _ reason: String) -> Failure {
    Failure.field(
      "linux.cgroupsPath", "\(reason), got \"\(path)\"",
      remedy: "write it like system.slice:minidock:NAME, or leave --systemd-cgroup out")
  }

  /// The path of a unit's object: every byte but letters and digits as "_xx" (sd_bus_path_encode(3)).
  static func objectPath(of unit: String) -> String {
    var text = "/org/freedesktop/systemd1/unit/"
    for (index, byte) in unit.utf8.enumerated() {
      let isDigit = (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
      let isLetter =
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
        || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
      if isLetter || (isDigit && index > 0) {
        text.unicodeScalars.append(Unicode.Scalar(byte))
      } else {
        text += "_" + hex([byte])
      }
    }
    return text
  }
}
