import ArgumentParser
import Engine
import Linux

struct VolumeInspectCommand: Command {
  static let configuration = CommandConfiguration(
    commandName: "inspect", _superCommandName: "minidock volume",
    abstract: "Show all that is known of volumes.",
    discussion: """
      Example:
        minidock volume inspect data
        minidock volume inspect --format '{{.Mountpoint}}' data
      """)

  @Option(
    name: [.customShort("f"), .long],
    help: ArgumentHelp("Print only this, as a template.", valueName: "template"))
  var format: String?
  @Argument(help: ArgumentHelp("Names.", valueName: "volume")) var volumes: [String]

  func execute(_ context: Context) throws(Failure) -> Int32 {
    let template = try format.map { text throws(Failure) in try Template(text) }
    let store = VolumeStore(try context.installation())
    var documents: [JSONValue] = []
    let status = context.each(volumes) { name throws(Failure) in
      let document = store.document(try store.find(name))
      if let template {
        Console.print(try template.render(document))
      } else {
        documents.append(document)
      }
    }
    if template == nil { Console.print(JSONValue.array(documents).pretty) }
    return status
  }
}
