import Linux

/// The words of an OCI verb, as runc reads them: options first, by one dash or two, their values behind "=" or
/// as the next word; whatever follows the first other word is taken as it is.
struct OCIWords {
  /// What is no option.
  private(set) var arguments: [String] = []
  private var values: [(name: String, value: String)] = []

  /// Reads words.
  ///
  /// - Parameters:
  ///   - flags: names that take no value, or "true" or "false" behind "=".
  ///   - options: names that take one.
  ///   - short: one-letter names and what they stand for.
  init(
    _ words: ArraySlice<String>, verb: String, flags: [String] = [], options: [String] = [],
    short: [String: String] = [:]
  ) throws(Failure) {
    var rest = words
    while let word = rest.first, word.hasPrefix("-"), word != "-" {
      rest.removeFirst()
      if word == "--" { break }
      var name = String(word.drop { $0 == "-" })
      var value: String?
      if let equals = name.firstIndex(of: "=") {
        value = String(name[name.index(after: equals)...])
        name = String(name[..<equals])
      }
      name = short[name] ?? name
      if flags.contains(name) {
        guard let isOn = OCIWords.truth(value ?? "true") else {
          throw Failure(
            .invalid, "parse", word, reason: "\"\(value ?? "")\" is neither true nor false")
        }
        values.append((name, isOn ? "true" : "false"))
      } else if options.contains(name) {
        guard let value = value ?? rest.popFirst() else {
          throw Failure(.invalid, "parse", word, reason: "it needs a value")
        }
        values.append((name, value))
      } else {
        throw Failure(
          .invalid, "parse", word, reason: "minidock oci \(verb) has no such option",
          remedy: "minidock oci --help lists them")
      }
    }
    arguments = Array(rest)
  }

  private static func truth(_ text: String) -> Bool? {
    switch text {
    case "true", "1", "t", "T", "TRUE", "True": true
    case "false", "0", "f", "F", "FALSE", "False": false
    default: nil
    }
  }

  /// Whether a flag is on.
  func has(_ name: String) -> Bool { self[name] == "true" }

  /// The last value of an option; nil when it was not given.
  subscript(name: String) -> String? { values.last { $0.name == name }?.value }

  /// All values of an option.
  func all(_ name: String) -> [String] { values.filter { $0.name == name }.map(\.value) }

  /// The number that an option gives; nil when it was not given.
  func number<Integer: FixedWidthInteger>(
    _ name: String, as: Integer.Type = Integer.self
  ) throws(Failure) -> Integer? {
    guard let text = self[name] else { return nil }
    guard let number = Integer(text) else {
      throw Failure(.invalid, "parse", "--\(name) \(text)", reason: "it is no number")
    }
    return number
  }

  /// The only argument: a container's id.
  func container() throws(Failure) -> String {
    guard arguments.count == 1 else {
      throw Failure(
        .invalid, "parse", "arguments",
        reason: arguments.isEmpty
          ? "a container's id is missing" : "\"\(arguments[1])\" is one too many")
    }
    return arguments[0]
  }
}
