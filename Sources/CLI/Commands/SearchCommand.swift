import ArgumentParser
import Engine
import Linux

struct SearchCommand: Command {
  static let configuration = CommandConfiguration(
    commandName: "search",
    abstract: "Search a registry for images.",
    usage: "minidock search [OPTIONS] [HOST/]TERM",
    discussion: """
      Example:
        minidock search --limit 5 busybox
        minidock search registry.example.com/app

      Without HOST Docker Hub is searched. Other registries mostly have no search: the names in their \
      catalogue that hold the word are listed. Filters are is-official=true and stars=N.
      """)

  @Option(help: ArgumentHelp("Most results, 1 to 100.", valueName: "number")) var limit = 25
  @Flag(help: "Do not shorten descriptions.") var noTrunc = false
  @Option(
    name: [.customShort("f"), .long], parsing: .singleValue,
    help: ArgumentHelp("Only what matches.", valueName: "key=value"))
  var filter: [String] = []
  @Option(help: ArgumentHelp("table, json, or a template.", valueName: "format"))
  var format = "table"
  @Argument(help: "What to search for.") var term: String

  func execute(_ context: Context) throws(Failure) -> Int32 {
    guard (1...100).contains(limit) else {
      throw Failure(.invalid, "search", term, reason: "--limit is not 1 to 100")
    }
    var matches = try RegistrySearch.find(term, limit: limit)
    for text in filter {
      let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
      switch (parts.first, parts.count == 2 ? parts[1] : "") {
      case ("is-official", "true"): matches.removeAll { !$0.isOfficial }
      case ("is-official", "false"): matches.removeAll { $0.isOfficial }
      case ("stars", let number):
        guard let least = Int(number) else { throw wrong(text) }
        matches.removeAll { $0.stars < least }
      default: throw wrong(text)
      }
    }
    try ListLines.print(
      matches.map { SearchLine(match: $0, isWhole: noTrunc) }, columns: SearchLine.columns,
      format: format)
    return 0
  }

  private func wrong(_ filter: String) -> Failure {
    Failure(
      .invalid, "search", "--filter \(filter)",
      reason: "known are is-official=true|false and stars=N")
  }
}

/// A line of `search`.
struct SearchLine: ListLine {
  let match: RegistrySearch.Match
  let isWhole: Bool

  static let columns = [
    Column("Name", "NAME"), Column("Description", "DESCRIPTION"), Column("StarCount", "STARS"),
    Column("IsOfficial", "OFFICIAL"),
  ]

  static let headers = ["StarCount": "STARS", "IsOfficial": "OFFICIAL"]

  var identifier: String { match.name }

  var document: JSONValue {
    let text = match.description
    let short = isWhole || text.count <= 45 ? text : text.prefix(44) + "…"
    return .object([
      ("Description", .string(short)),
      ("IsOfficial", .string(match.isOfficial ? "[OK]" : "")),
      ("Name", .string(match.name)),
      ("StarCount", .string(String(match.stars))),
    ])
  }
}
