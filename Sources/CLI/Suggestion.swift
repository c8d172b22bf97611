import ArgumentParser

/// What a mistyped command most likely is.
enum Suggestion {
  /// The name that a word is nearest to, when that is near enough for a slip: one letter in a short word, two
  /// in a longer one.
  static func nearest(to word: String, among names: [String]) -> String? {
    let limit = word.count < 5 ? 1 : 2
    return
      names
      .map { (name: $0, distance: distance(Array(word.lowercased()), Array($0))) }
      .filter { $0.distance <= limit }
      .min { $0.distance < $1.distance }?.name
  }

  /// How many letters are to be put in, left out, replaced, or exchanged with the next one, at least
  /// (optimal string alignment).
  static func distance(_ a: [Character], _ b: [Character]) -> Int {
    var before: [Int] = []
    var last = Array(0...b.count)
    for i in a.indices {
      var row = [i + 1]
      for j in b.indices {
        var best = min(row[j] + 1, last[j + 1] + 1, last[j] + (a[i] == b[j] ? 0 : 1))
        if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { best = min(best, before[j - 1] + 1) }
        row.append(best)
      }
      before = last
      last = row
    }
    return last[b.count]
  }

  /// The names of a command's subcommands.
  static func names(of command: any ParsableCommand.Type) -> [String] {
    command.configuration.subcommands.flatMap {
      [$0.configuration.commandName].compactMap { $0 } + $0.configuration.aliases
    }
  }
}
