import ArgumentParser
import Engine
import Linux
import Runtime

struct InfoCommand: Command {
  static let configuration = CommandConfiguration(
    commandName: "info", _superCommandName: "minidock",
    abstract: "Show the host and minidock's state on it.",
    discussion: """
      Example:
        minidock info
        minidock info --format '{{.CgroupVersion}}'
      """)

  @Option(
    name: [.customShort("f"), .long],
    help: ArgumentHelp("Print only this, as a template, or json.", valueName: "template"))
  var format: String?

  func execute(_ context: Context) throws(Failure) -> Int32 {
    let installation = try context.installation()
    context.sweep(installation)
    let document = try SystemInformation.info(installation, version: Version.number)
    if let format {
      Console.print(
        format == "json" ? document.compact : try Template(format).render(document))
      return 0
    }
    for (key, value) in SystemInformation.lines(document) { Console.print("\(key): \(value)") }
    return 0
  }
}
