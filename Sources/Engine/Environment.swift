import Linux

/// Environment variables as docker's flags and images give them.
public enum Environment {
  /// The PATH of a container whose image says none.
  public static let defaultPath =
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

  /// Joins lists of "NAME=value": a later one replaces an earlier one in its place.
  public static func merge(_ lists: [[String]]) -> [String] {
    var result: [String] = []
    for list in lists {
      for entry in list {
        // By bytes: a combining character after the "=" must not hide it.
        let name = entry.utf8.prefix { $0 != UInt8(ascii: "=") }
        let place = result.firstIndex {
          $0.utf8.prefix { $0 != UInt8(ascii: "=") }.elementsEqual(name)
        }
        if let place {
          result[place] = entry
        } else {
          result.append(entry)
        }
      }
    }
    return result
  }

  /// The value of `-e`: "NAME=value", or "NAME" alone for the caller's own value, nil when it has none.
  ///
  /// - Throws: ``Failure/Code/invalid`` without a name.
  public static func entry(_ text: String, flag: String) throws(Failure) -> String? {
    guard let first = text.utf8.first, first != UInt8(ascii: "="), !text.utf8.contains(0) else {
      throw Failure(.invalid, "parse", "\(flag)=\(text)", reason: "it has no name")
    }
    if text.utf8.contains(UInt8(ascii: "=")) { return text }
    return Console.variable(text).map { "\(text)=" + $0 }
  }

  /// The entries of an `--env-file`: a line each, "#" comments, no quoting (docker's rules).
  public static func entries(file path: String) throws(Failure) -> [String] {
    guard let bytes = try Files.read(path, limit: 16 << 20) else {
      throw Failure(errno: ErrorNumber.noEntry, "read", "--env-file \(path)")
    }
    var result: [String] = []
    for (number, line) in bytes.split(
      separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false
    ).enumerated() {
      var text = String(decoding: line, as: UTF8.self)
      if number == 0 && text.hasPrefix("\u{feff}") { text.removeFirst() }
      if text.hasSuffix("\r") { text.removeLast() }
      while let first = text.first, first == " " || first == "\t" { text.removeFirst() }
      if text.isEmpty || text.hasPrefix("#") { continue }
      let name = text.prefix { $0 != "=" }
      guard !name.isEmpty, !name.contains(where: \.isWhitespace) else {
        throw Failure(
          .invalid, "parse", "\(path):\(number + 1)",
          reason: "\"\(name)\" is no name of a variable")
      }
      if let entry = try entry(text, flag: path) { result.append(entry) }
    }
    return result
  }
}
