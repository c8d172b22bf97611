import ArgumentParser
import Engine
import Linux

struct VolumeLsCommand: Command {
  static let configuration = CommandConfiguration(
    commandName: "ls", _superCommandName: "minidock volume",
    abstract: "List volumes.",
    discussion: """
      Example:
        minidock volume ls
        minidock volume ls -q --filter dangling=true

      Filters are name, label, driver and dangling: whether no container has the volume.
      """,
    aliases: ["list"])

  @OptionGroup var listing: ListFlags

  func execute(_ context: Context) throws(Failure) -> Int32 {
    let installation = try context.installation()
    context.sweep(installation)
    let volumes = try VolumeList(installation).list(filters: try listing.filters())
    let store = VolumeStore(installation)
    try listing.print(
      volumes.map { VolumeLine(volume: $0, mountpoint: store.data($0.name)) },
      columns: VolumeLine.columns)
    return 0
  }
}

/// A line of `volume ls`.
struct VolumeLine: ListLine {
  let volume: VolumeRecord
  let mountpoint: String

  static let columns = [Column("Driver", "DRIVER"), Column("Name", "VOLUME NAME")]

  static let headers = ["Name": "VOLUME NAME"]

  var identifier: String { volume.name }

  var document: JSONValue {
    let labels = volume.shownLabels.map { "\($0.key)=\($0.value)" }.joined(separator: ",")
    return .object([
      ("Availability", .string("N/A")),
      ("Driver", .string(VolumeRecord.driver)),
      ("Group", .string("N/A")),
      ("Labels", .string(labels)),
      ("Links", .string("N/A")),
      ("Mountpoint", .string(mountpoint)),
      ("Name", .string(volume.name)),
      ("Scope", .string("local")),
      ("Size", .string("N/A")),
      ("Status", .string("N/A")),
    ])
  }
}
