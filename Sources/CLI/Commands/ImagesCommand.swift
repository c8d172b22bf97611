import ArgumentParser
import Engine
import Image
import Linux

struct ImagesCommand: Command {
  static let configuration = CommandConfiguration(
    commandName: "images", _superCommandName: "minidock",
    abstract: "List images.",
    discussion: """
      Example:
        minidock images
        minidock images --filter reference='busy*' --format '{{.ID}} {{.Repository}}'
      """)

  @OptionGroup var listing: ListFlags
  @Flag(name: [.customShort("a"), .long], help: "Show all images.") var all = false
  @Flag(help: "Show digests.") var digests = false
  @Argument(help: ArgumentHelp("Only images of this name.", valueName: "repository[:tag]"))
  var repository: String?

  func execute(_ context: Context) throws(Failure) -> Int32 {
    let list = ImageList(try context.installation())
    var filters = try listing.filters()
    var until: Timestamp?
    for filter in filters where filter.key == "until" {
      until = try Moment.parse(filter.value, "--filter until")
    }
    filters.removeAll { $0.key == "until" }
    let rows = try list.list(repository: repository, filters: filters, until: until)
    try listing.print(
      rows.map { ImageLine(row: $0, full: listing.noTrunc) },
      columns: ImageLine.columns(digests: digests))
    return 0
  }
}

/// A line of `images`.
struct ImageLine: ListLine {
  let row: ImageList.Row
  let full: Bool

  static func columns(digests: Bool) -> [Column] {
    [Column("Repository", "REPOSITORY"), Column("Tag", "TAG")]
      + (digests ? [Column("Digest", "DIGEST")] : []) + [
        Column("ID", "IMAGE ID"), Column("CreatedSince", "CREATED"), Column("Size", "SIZE"),
      ]
  }

  static let headers = [
    "ID": "IMAGE ID", "CreatedSince": "CREATED", "CreatedAt": "CREATED AT",
  ]

  var identifier: String {
    full ? row.image.id.description : String(row.image.id.hex.prefix(12))
  }

  var document: JSONValue {
    .object([
      ("Containers", .string("N/A")),
      ("CreatedAt", .string(row.image.created.description)),
      ("CreatedSince", .string(Elapsed.ago(row.image.created))),
      ("Digest", .string(row.digest.description)),
      ("ID", .string(identifier)),
      ("Repository", .string(row.name?.repository ?? "<none>")),
      ("Size", .string(ByteCount.decimal(row.image.size))),
      ("Tag", .string(row.name?.tag ?? "<none>")),
    ])
  }
}
