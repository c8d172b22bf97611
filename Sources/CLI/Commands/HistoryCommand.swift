import ArgumentParser
import Engine
import Image
import Linux

struct HistoryCommand: Command {
  static let configuration = CommandConfiguration(
    commandName: "history", _superCommandName: "minidock",
    abstract: "Show how an image was made, step by step.",
    discussion: """
      Example:
        minidock history web
        minidock history --no-trunc --format '{{.Size}} {{.CreatedBy}}' web
      """)

  static let switches: [String: (on: String?, off: String?)] = [
    "--human": (on: "--human", off: "--no-human"), "-H": (on: "--human", off: "--no-human"),
  ]

  @Flag(
    name: [.customShort("H"), .long], inversion: .prefixedNo,
    help: "Sizes and times in words, not in bytes and full.")
  var human = true
  @Flag(help: "Do not shorten ids and commands.") var noTrunc = false
  @Flag(name: [.customShort("q"), .long], help: "Print only ids.") var quiet = false
  @Option(help: ArgumentHelp("table, json, or a template.", valueName: "format"))
  var format = "table"
  @Argument(help: ArgumentHelp("Name or id.", valueName: "image")) var image: String

  func execute(_ context: Context) throws(Failure) -> Int32 {
    let store = try context.installation().imageStore()
    let record = try store.required(image, "show history of")
    let lines = try store.history(of: record).enumerated().map { index, entry in
      HistoryLine(
        entry: entry, id: index == 0 ? record.id : nil, full: noTrunc, isHuman: human)
    }
    if quiet {
      ListLines.printIdentifiers(lines)
    } else {
      try ListLines.print(lines, columns: HistoryLine.columns(isHuman: human), format: format)
    }
    return 0
  }
}

/// A line of `history`.
struct HistoryLine: ListLine {
  let entry: ImageHistoryEntry
  let id: Digest?
  let full: Bool
  let isHuman: Bool

  static func columns(isHuman: Bool) -> [Column] {
    [
      Column("ID", "IMAGE"),
      isHuman ? Column("CreatedSince", "CREATED") : Column("CreatedAt", "CREATED AT"),
      Column("CreatedBy", "CREATED BY"), Column("Size", "SIZE"), Column("Comment", "COMMENT"),
    ]
  }

  static let headers = [
    "ID": "IMAGE", "CreatedSince": "CREATED", "CreatedAt": "CREATED AT", "CreatedBy": "CREATED BY",
  ]

  var identifier: String {
    guard let id else { return "<missing>" }
    return full ? id.description : id.short
  }

  var document: JSONValue {
    let command = entry.createdBy.printable
    let size = entry.layer?.size ?? 0
    return .object([
      ("Comment", .string(entry.comment.printable)),
      ("CreatedAt", .string(entry.created?.description ?? "")),
      ("CreatedBy", .string(full || command.count <= 45 ? command : command.prefix(44) + "…")),
      ("CreatedSince", .string(entry.created.map { Elapsed.ago($0) } ?? "N/A")),
      ("ID", .string(identifier)),
      ("Size", .string(isHuman ? ByteCount.decimal(size) : String(size))),
    ])
  }
}
