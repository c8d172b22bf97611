import ArgumentParser
import Engine
import Linux

struct InspectCommand: Command {
  static let configuration = CommandConfiguration(
    commandName: "inspect", _superCommandName: "minidock",
    abstract: "Show all that is known of containers, images, volumes and networks.",
    discussion: """
      Example:
        minidock inspect brave_turing
        minidock inspect --format '{{.State.ExitCode}}' brave_turing
      """)

  @Option(
    name: [.customShort("f"), .long],
    help: ArgumentHelp("Print only this, as a template.", valueName: "template"))
  var format: String?
  @Option(
    help: ArgumentHelp("Look only for a container, image, volume or network.", valueName: "kind"))
  var type: String?
  @Flag(name: [.customShort("s"), .long], help: "Show the sizes of containers as well.")
  var size = false
  @Argument(help: ArgumentHelp("Names or ids.", valueName: "object")) var objects: [String]

  func execute(_ context: Context) throws(Failure) -> Int32 {
    if let type, !["container", "image", "volume", "network"].contains(type) {
      throw Failure(
        .invalid, "parse", "--type=\(type)", reason: "it is not container, image, volume or network"
      )
    }
    let template = try format.map { text throws(Failure) in try Template(text) }
    let installation = try context.installation()
    context.sweep(installation)
    let inspection = Inspection(installation)
    var documents: [JSONValue] = []
    var status: Int32 = 0
    for name in objects {
      do throws(Failure) {
        let document = try inspection.document(of: name, kind: type, withSize: size)
        if let template {
          Console.print(try template.render(document))
        } else {
          documents.append(document)
        }
      } catch {
        Console.error("minidock: \(error)")
        status = 1
      }
    }
    if template == nil { Console.print(JSONValue.array(documents).pretty) }
    return status
  }
}
