import Linux

/// The part of ps(1)'s options that `top` knows: which columns to show. Which processes are shown is not
/// for them to say.
struct TopOptions {
  /// The columns, with the headings to show.
  private(set) var columns: [TopColumn] = []

  private static let full = ["user=UID", "pid", "ppid", "c", "stime", "tname", "time", "cmd"]
  private static let short = ["pid", "tname", "time", "comm=CMD"]
  private static let userBSD = [
    "user", "pid", "%cpu", "%mem", "vsz", "rss", "tname", "stat", "bsdstart", "bsdtime", "command",
  ]
  private static let shortBSD = ["pid", "tname", "stat", "bsdtime", "command"]

  /// Parses the words after the container.
  ///
  /// - Throws: ``Failure/Code/unsupported`` for an option, ``Failure/Code/invalid`` for a column that is not
  ///   known here.
  init(_ words: [String]) throws(Failure) {
    // Docker takes all of them as one string too.
    var rest = words.flatMap { $0.split(separator: " ").map(String.init) }[...]
    if rest.isEmpty { rest = ["-ef"] }
    var layout = TopOptions.short
    var chosen: [String] = []
    while let word = rest.popFirst() {
      if word.hasPrefix("--format") || word == "--" {
        if word == "--" { continue }
        chosen.append(try TopOptions.value(of: word, after: "--format", &rest))
      } else if word.hasPrefix("-") && word.count > 1 {
        try TopOptions.take(word, &rest, &layout, &chosen)
      } else {
        try TopOptions.takeBSD(word, &rest, &layout, &chosen)
      }
    }
    for list in chosen { columns += try TopOptions.columns(list) }
    if chosen.isEmpty {
      for keyword in layout { columns += try TopOptions.columns(keyword) }
    }
  }

  // Letters behind one dash; the rest of the word after an "o" is its value.
  private static func take(
    _ word: String, _ rest: inout ArraySlice<String>, _ layout: inout [String],
    _ chosen: inout [String]
  ) throws(Failure) {
    var letters = word.dropFirst()
    while let letter = letters.popFirst() {
      switch letter {
      // All of the container's processes are shown anyway.
      case "e", "A", "a", "d", "N", "w": continue
      case "f": layout = full
      case "F":
        layout = full
        layout.insert(contentsOf: ["sz", "rss"], at: 4)
      case "o":
        let value = letters.isEmpty ? rest.popFirst() : String(letters)
        chosen.append(try list(value, word))
        return
      // docker's users write -aux as often as aux.
      case "u" where word == "-aux" || word == "-auxww": layout = userBSD
      case "x" where word == "-aux" || word == "-auxww": continue
      default: throw unknown(letter == word.last && word.count == 2 ? word : "-\(letter)")
      }
    }
  }

  private static func takeBSD(
    _ word: String, _ rest: inout ArraySlice<String>, _ layout: inout [String],
    _ chosen: inout [String]
  ) throws(Failure) {
    var letters = word[...]
    while let letter = letters.popFirst() {
      switch letter {
      case "a", "x", "g", "w": if layout == short { layout = shortBSD }
      case "u": layout = userBSD
      case "o":
        let value = letters.isEmpty ? rest.popFirst() : String(letters)
        chosen.append(try list(value, word))
        return
      default: throw unknown(word)
      }
    }
  }

  private static func value(
    of word: String, after option: String, _ rest: inout ArraySlice<String>
  ) throws(Failure) -> String {
    if word == option { return try list(rest.popFirst(), word) }
    guard word.hasPrefix(option + "=") else { throw unknown(word) }
    return try list(String(word.dropFirst(option.count + 1)), word)
  }

  private static func list(_ value: String?, _ word: String) throws(Failure) -> String {
    guard let value, !value.isEmpty else {
      throw Failure(
        .invalid, "parse", word, reason: "it needs a list of columns",
        remedy: "write it as -o pid,user,args")
    }
    return value
  }

  private static func unknown(_ option: String) -> Failure {
    Failure(
      .unsupported, "use ps option", option,
      reason: "minidock reads /proc itself and knows only -e, -f, -F, -o COLUMNS and aux")
  }

  // "pid,user=WHO,args=": a heading goes to the end of its list, as in ps.
  private static func columns(_ list: String) throws(Failure) -> [TopColumn] {
    var columns: [TopColumn] = []
    var rest = list[...]
    while !rest.isEmpty {
      let keyword = rest.prefix { $0 != "," && $0 != "=" }
      rest = rest.dropFirst(keyword.count)
      guard let column = TopColumn.named(keyword.lowercased()) else {
        throw Failure(
          .invalid, "use ps column", String(keyword), reason: "unknown column",
          remedy: "use some of pid, ppid, user, uid, gid, group, comm, args, cmd, rss, vsz, pcpu, "
            + "pmem, c, time, etime, stime, start, tty, stat, ni, pri, nlwp, pgid and sid")
      }
      if rest.first == "=" {
        columns.append(TopColumn(heading: String(rest.dropFirst()), value: column.value))
        return columns
      }
      rest = rest.dropFirst()
      columns.append(column)
    }
    return columns
  }
}
