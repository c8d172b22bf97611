import Engine
import Linux

/// The flags of `ps` as they are taken, one after the other: scripts ask for this list all the time.
struct PsDraft: FlagDraft {
  var showsAll = false
  var latest = false
  var showsSize = false
  var quiet = false
  var noTrunc = false
  var last = 0
  var filters: [Filter] = []
  var format = "table"
  private var isMistaken = false

  /// What the words ask for; nil when a word is not understood, or help is wanted.
  static func parse(_ words: [String]) throws(Failure) -> PsDraft? {
    var draft = PsDraft()
    var rest = words[...]
    guard try FlagWords.take(from: &rest, into: &draft), rest.isEmpty, !draft.isMistaken else {
      return nil
    }
    return draft
  }

  mutating func turn(_ name: String, _ isOn: Bool) -> Bool {
    switch name {
    case "-a", "--all": showsAll = isOn
    case "-l", "--latest": latest = isOn
    case "-s", "--size": showsSize = isOn
    case "-q", "--quiet": quiet = isOn
    case "--no-trunc": noTrunc = isOn
    default: return false
    }
    return true
  }

  /// The names of the flags that have a value.
  static let valueNames = ["-n", "--last", "-f", "--filter", "--format"]

  func takesValue(_ name: String) -> Bool { PsDraft.valueNames.contains(name) }

  mutating func set(_ name: String, _ value: String) throws(Failure) {
    switch name {
    case "-n", "--last":
      // What is no number is left to the parser that explains it.
      guard let number = Int(value) else { return isMistaken = true }
      last = number
    case "-f", "--filter": filters.append(try Filter(value))
    default: format = value
    }
  }
}
