import ArgumentParser
import Engine
import Linux

struct VolumeCreateCommand: Command {
  static let configuration = CommandConfiguration(
    commandName: "create", _superCommandName: "minidock volume",
    abstract: "Make a volume.",
    discussion: """
      Example:
        minidock volume create data
        minidock volume create --label project=web

      The volume's name is printed; without one it gets a name of its own and counts as anonymous. A \
      volume that exists already is left as it is.
      """)

  @Option(name: [.customShort("d"), .long], help: "Driver; there is only local.")
  var driver = "local"
  @Option(
    name: [.customShort("l"), .long], parsing: .singleValue,
    help: ArgumentHelp("Label of the volume.", valueName: "key=value"))
  var label: [String] = []
  @Option(
    name: [.customShort("o"), .long], parsing: .singleValue,
    help: ArgumentHelp("Option of the driver; local has none.", valueName: "name=value"))
  var opt: [String] = []
  @Argument(help: "Name of the volume.") var name: String?

  func execute(_ context: Context) throws(Failure) -> Int32 {
    guard driver == VolumeRecord.driver else {
      throw Failure(
        .unsupported, "create volume", name ?? "", reason: "there is no driver \"\(driver)\"",
        remedy: "leave --driver away, or use local")
    }
    if let option = opt.first {
      throw Failure(
        .unsupported, "create volume", name ?? "",
        reason: "the driver local has no option \"\(option)\"",
        remedy: "bind a directory with -v /path:/target, or use --tmpfs")
    }
    var labels: [String: String] = [:]
    for text in label {
      let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard !parts[0].isEmpty else {
        throw Failure(.invalid, "parse", "--label=\(text)", reason: "it has no key")
      }
      labels[String(parts[0])] = parts.count == 2 ? String(parts[1]) : ""
    }
    let store = VolumeStore(try context.installation())
    Console.print(try store.create(name: name, labels: labels))
    return 0
  }
}
