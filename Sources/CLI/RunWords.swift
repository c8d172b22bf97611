import Engine
import Linux
import Runtime

/// The words of `run`, taken in one pass.
///
/// ArgumentParser describes the flags (help, completions, mistakes), but reflecting over some fifty of
/// them costs more than the kernel needs for a container's namespaces, so a `run` that is spelled right
/// never gets there: ``RunCommand`` is asked only when a word here is unknown. A test holds the two to
/// the same flags.
struct RunWords {
  /// What the words ask for; `nil` when a word is not understood, or help is wanted.
  static func parse(
    _ words: [String], forCreation: Bool = false
  ) throws(Failure) -> RunOptions? {
    var draft = RunDraft()
    var rest = words[...]
    while let word = rest.first, word.hasPrefix("-"), word != "-" {
      rest.removeFirst()
      if word == "--" { break }
      let taken =
        word.hasPrefix("--")
        ? try long(word, &rest, &draft) : try short(word, &rest, &draft)
      guard taken else { return nil }
    }
    guard let image = rest.popFirst() else { return nil }
    return try draft.finish(image: image, command: Array(rest), forCreation: forCreation)
  }

  private static func long(
    _ word: String, _ rest: inout ArraySlice<String>, _ draft: inout RunDraft
  ) throws(Failure) -> Bool {
    let name = String(word.prefix { $0 != "=" })
    let attached = name.count < word.count ? String(word.dropFirst(name.count + 1)) : nil
    if let isOn = attached.map(switchValue) ?? .some(true), draft.turn(name, isOn) { return true }
    guard draft.takesValue(name) else { return false }
    guard let value = attached ?? rest.popFirst() else { return false }
    try draft.set(name, value)
    return true
  }

  // "-it", "-m64m", "-e NAME=value": flags may be joined, the last one may have its value attached.
  private static func short(
    _ word: String, _ rest: inout ArraySlice<String>, _ draft: inout RunDraft
  ) throws(Failure) -> Bool {
    var letters = word.dropFirst()
    while let letter = letters.popFirst() {
      let name = "-\(letter)"
      if draft.turn(name, true) { continue }
      guard draft.takesValue(name) else { return false }
      if letters.first == "=" { letters.removeFirst() }
      guard let value = letters.isEmpty ? rest.popFirst() : String(letters) else { return false }
      try draft.set(name, value)
      return true
    }
    return true
  }

  // Docker's boolean flags take "=true" and "=false".
  private static func switchValue(_ text: String) -> Bool? {
    switch text {
    case "true", "1", "t", "T", "TRUE", "True": true
    case "false", "0", "f", "F", "FALSE", "False": false
    default: nil
    }
  }
}
