import ArgumentParser
import Engine
import Linux

struct PsCommand: Command {
  static let configuration = CommandConfiguration(
    commandName: "ps", _superCommandName: "minidock",
    abstract: "List containers.",
    discussion: """
      Example:
        minidock ps -a
        minidock ps -a --filter status=exited --format '{{.ID}} {{.Names}} {{.Status}}'
      """)

  @OptionGroup var listing: ListFlags
  @Flag(name: [.customShort("a"), .long], help: "Show containers that do not run as well.")
  var all = false
  @Option(
    name: [.customShort("n"), .long], help: ArgumentHelp("Show the newest.", valueName: "number"))
  var last = 0
  @Flag(name: [.customShort("l"), .long], help: "Show the newest container.") var latest = false
  @Flag(name: [.customShort("s"), .long], help: "Show how much each has written.")
  var size = false

  func execute(_ context: Context) throws(Failure) -> Int32 {
    let installation = try context.installation()
    let findings = context.sweep(installation)
    let containers = try ContainerList(installation, findings).list(
      all: all, last: latest ? 1 : max(0, last), filters: try listing.filters())
    let showsSize = size || listing.format.contains(".Size")
    let lines = containers.map { container in
      var line = ContainerLine(container: container, full: listing.noTrunc)
      if showsSize { line.size = SizeText.text(container.record, in: installation) }
      return line
    }
    try listing.print(
      lines, columns: ContainerLine.columns + (size ? [Column("Size", "SIZE")] : []))
    return 0
  }
}

/// The SIZE column.
private enum SizeText {
  /// "12B (virtual 1.24MB)": what a container has written, and its image with that.
  static func text(_ record: ContainerRecord, in installation: Installation) -> String {
    let written = ContainerSize.written(record, in: installation)
    let whole = written + ContainerSize.image(record, in: installation)
    return "\(ByteCount.decimal(written)) (virtual \(ByteCount.decimal(whole)))"
  }
}

/// A line of `ps`.
struct ContainerLine: ListLine {
  let container: ListedContainer
  let full: Bool
  var size = "0B"

  static let columns = [
    Column("ID", "CONTAINER ID"), Column("Image", "IMAGE"), Column("Command", "COMMAND"),
    Column("RunningFor", "CREATED"), Column("Status", "STATUS"), Column("Ports", "PORTS"),
    Column("Names", "NAMES"),
  ]

  static let headers = ["ID": "CONTAINER ID", "RunningFor": "CREATED", "CreatedAt": "CREATED AT"]

  var identifier: String { full ? container.record.id : container.record.shortID }

  var document: JSONValue {
    let record = container.record
    let labels = record.labels.map { "\($0.key)=\($0.value)" }.joined(separator: ",")
    return .object([
      ("Command", .string(command)),
      ("CreatedAt", .string(record.created.description)),
      ("ID", .string(identifier)),
      ("Image", .string(record.image)),
      ("Labels", .string(labels)),
      ("LocalVolumes", .string(String(record.volumes.count))),
      (
        "Mounts",
        .string(
          (record.mountedVolumes.map(\.name) + record.binds + record.tmpfs)
            .joined(separator: ","))
      ),
      ("Names", .string(record.name)),
      ("Networks", .string(record.network.name)),
      ("Ports", .string("")),
      ("RunningFor", .string(Elapsed.ago(record.created))),
      ("Size", .string(size)),
      ("State", .string(container.state.status.rawValue)),
      ("Status", .string(container.state.summary)),
    ])
  }

  // Docker quotes the command and cuts it to 20 characters.
  private var command: String {
    let text = container.record.command.joined(separator: " ")
    if full || text.count <= 19 { return "\"\(text)\"" }
    return "\"\(text.prefix(19))…\""
  }
}
