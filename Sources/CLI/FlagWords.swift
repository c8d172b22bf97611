import Linux

/// What the flags of a command mean, for ``FlagWords``.
protocol FlagDraft {
  /// Turns a switch on or off; false when there is none of this name.
  mutating func turn(_ name: String, _ isOn: Bool) -> Bool
  /// Whether there is an option of this name, which takes a value.
  func takesValue(_ name: String) -> Bool
  /// Gives an option its value.
  mutating func set(_ name: String, _ value: String) throws(Failure)
}

/// Docker's spelling of flags, taken in one pass.
///
/// ArgumentParser describes the flags (help, completions, mistakes), but reflecting over them costs more
/// than the kernel needs for a container's namespaces. So what starts a process, and is spelled right,
/// never gets there.
enum FlagWords {
  /// Takes the flags in front of the first word that is none.
  ///
  /// - Returns: false when a word is not understood, or help is wanted.
  static func take<Draft: FlagDraft>(
    from rest: inout ArraySlice<String>, into draft: inout Draft
  ) throws(Failure) -> Bool {
    while let word = rest.first, word.hasPrefix("-"), word != "-" {
      rest.removeFirst()
      if word == "--" { break }
      let taken =
        word.hasPrefix("--")
        ? try long(word, &rest, &draft) : try short(word, &rest, &draft)
      guard taken else { return false }
    }
    return true
  }

  private static func long<Draft: FlagDraft>(
    _ word: String, _ rest: inout ArraySlice<String>, _ draft: inout Draft
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
  private static func short<Draft: FlagDraft>(
    _ word: String, _ rest: inout ArraySlice<String>, _ draft: inout Draft
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
