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

  /// Does what the words ask for; nil when ArgumentParser has to say what is wrong with them.
  static func fast(_ words: [String], _ context: Context) throws(Failure) -> Int32? {
    guard let draft = try PsDraft.parse(words) else { return nil }
    return try list(draft, context)
  }

  // By way of the group `container`, and with words that PsDraft does not take.
  func execute(_ context: Context) throws(Failure) -> Int32 {
    var draft = PsDraft()
    draft.showsAll = all
    draft.latest = latest
    draft.showsSize = size
    draft.quiet = listing.quiet
    draft.noTrunc = listing.noTrunc
    draft.last = last
    draft.filters = try listing.filters()
    draft.format = listing.format
    return try PsCommand.list(draft, context)
  }

  private static func list(_ draft: PsDraft, _ context: Context) throws(Failure) -> Int32 {
    let installation = try context.installation()
    let findings = context.sweep(installation)
    let containers = try ContainerList(installation, findings).list(
      all: draft.showsAll, last: draft.latest ? 1 : max(0, draft.last), filters: draft.filters)
    let showsSize = draft.showsSize || draft.format.contains(".Size")
    let lines = containers.map { container in
      var line = ContainerLine(container: container, full: draft.noTrunc)
      if showsSize { line.size = SizeText.text(container.record, in: installation) }
      return line
    }
    if draft.quiet {
      ListLines.printIdentifiers(lines)
    } else {
      try ListLines.print(
        lines,
        columns: ContainerLine.columns + (draft.showsSize ? [Column("Size", "SIZE")] : []),
        format: draft.format)
    }
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
      ("Networks", .string(record.networkNames.joined(separator: ","))),
      ("Ports", .string(ports)),
      ("RunningFor", .string(Elapsed.ago(record.created))),
      ("Size", .string(size)),
      ("State", .string(container.state.status.rawValue)),
      ("Status", .string(container.state.summary)),
    ])
  }

  private var ports: String {
    // Of one that does not run docker shows none, not even those that its image names.
    guard container.state.status.isActive else { return "" }
    return PortTexts.column(container.state.ports, exposed: container.record.exposed)
  }

  // Docker quotes the command and cuts it to 20 characters.
  private var command: String {
    let text = container.record.command.joined(separator: " ")
    if full || text.count <= 19 { return "\"\(text)\"" }
    return "\"\(text.prefix(19))…\""
  }
}
