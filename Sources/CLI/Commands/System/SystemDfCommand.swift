import ArgumentParser
import Engine
import Image
import Linux

struct SystemDfCommand: Command {
  static let configuration = CommandConfiguration(
    commandName: "df", _superCommandName: "minidock system",
    abstract: "Show what takes up space.",
    discussion: """
      Example:
        minidock system df
        minidock system df -v
        minidock system df --format '{{.Type}} {{.Reclaimable}}'

      Sizes are those of the files; one with several names counts once, and so does a layer of several \
      images. A layer is on disk twice, as it came and unpacked, and both count: removing the image gives \
      both back.
      """)

  @Flag(name: [.customShort("v"), .long], help: "Show every image, container and volume.")
  var verbose = false
  @Option(help: ArgumentHelp("table, json, or a template.", valueName: "format"))
  var format = "table"

  func validate() throws {
    if verbose && format != "table" && format != "json" {
      throw ValidationError("--verbose has only the formats table and json")
    }
  }

  func execute(_ context: Context) throws(Failure) -> Int32 {
    let installation = try context.installation()
    context.sweep(installation)
    let usage = try DiskUsage(installation)
    if verbose {
      let sections = DiskSections(usage)
      if format == "json" {
        Console.print(sections.document.compact)
      } else {
        Console.printRaw(sections.text)
      }
      return 0
    }
    let lines = [
      DiskLine(type: "Images", total: usage.imageTotal),
      DiskLine(type: "Containers", total: usage.containerTotal),
      DiskLine(type: "Local Volumes", total: usage.volumeTotal),
    ]
    try ListLines.print(lines, columns: DiskLine.columns, format: format)
    return 0
  }
}

/// A line of `system df`.
struct DiskLine: ListLine {
  let type: String
  let total: DiskUsage.Total

  static let columns = [
    Column("Type", "TYPE"), Column("TotalCount", "TOTAL"), Column("Active", "ACTIVE"),
    Column("Size", "SIZE"), Column("Reclaimable", "RECLAIMABLE"),
  ]

  static let headers = ["TotalCount": "TOTAL"]

  var identifier: String { type }

  var document: JSONValue {
    .object([
      ("Active", .string(String(total.active))),
      ("Reclaimable", .string(total.reclaimableText)),
      ("Size", .string(ByteCount.decimal(total.size))),
      ("TotalCount", .string(String(total.count))),
      ("Type", .string(type)),
    ])
  }
}

/// The tables of `system df -v`.
struct DiskSections {
  let usage: DiskUsage

  init(_ usage: DiskUsage) { self.usage = usage }

  var text: String {
    section("Images", DiskSections.imageHeading, images) + "\n"
      + section("Containers", DiskSections.containerHeading, containers) + "\n"
      + section("Local Volumes", DiskSections.volumeHeading, volumes)
  }

  var document: JSONValue {
    func rows(_ heading: [String], _ rows: [[String]]) -> JSONValue {
      .array(
        rows.map { row in
          .object(zip(heading, row).map { (DiskSections.key($0), .string($1)) })
        })
    }
    return .object([
      ("Images", rows(DiskSections.imageHeading, images)),
      ("Containers", rows(DiskSections.containerHeading, containers)),
      ("Volumes", rows(DiskSections.volumeHeading, volumes)),
    ])
  }

  private func section(_ title: String, _ heading: [String], _ rows: [[String]]) -> String {
    "\(title) space usage:\n\n" + Table.text([heading] + rows)
  }

  // "SHARED SIZE" is SharedSize in JSON.
  private static func key(_ heading: String) -> String {
    heading.split(separator: " ").map {
      $0 == "ID" ? "ID" : $0.prefix(1) + $0.dropFirst().lowercased()
    }.joined()
  }

  private static let imageHeading = [
    "REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE", "SHARED SIZE", "UNIQUE SIZE",
    "CONTAINERS",
  ]
  private static let containerHeading = [
    "CONTAINER ID", "IMAGE", "COMMAND", "LOCAL VOLUMES", "SIZE", "CREATED", "STATUS", "NAMES",
  ]
  private static let volumeHeading = ["VOLUME NAME", "LINKS", "SIZE"]

  private var images: [[String]] {
    usage.images.map { entry in
      let name = entry.image.names.first
      return [
        name?.repository ?? "<none>", name?.tag ?? "<none>", String(entry.image.id.hex.prefix(12)),
        Elapsed.ago(entry.image.created), ByteCount.decimal(entry.size),
        ByteCount.decimal(entry.shared), ByteCount.decimal(entry.unique), String(entry.containers),
      ]
    }
  }

  private var containers: [[String]] {
    usage.containers.map { entry in
      let line = ContainerLine(container: entry.container, full: false).document
      func field(_ name: String) -> String {
        if case .string(let text) = line[name] { return text }
        return ""
      }
      return [
        field("ID"), field("Image"), field("Command"),
        String(entry.container.record.volumes.count), ByteCount.decimal(entry.size),
        field("RunningFor"), field("Status"), field("Names"),
      ]
    }
  }

  private var volumes: [[String]] {
    usage.volumes.map { [$0.volume.name, String($0.links), ByteCount.decimal($0.size)] }
  }
}
