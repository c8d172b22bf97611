import ArgumentParser
import Engine
import Linux
import Runtime

struct VersionCommand: Command {
  static let configuration = CommandConfiguration(
    commandName: "version", _superCommandName: "minidock",
    abstract: "Show minidock's version.",
    discussion: """
      Example:
        minidock version --format '{{.Version}}'
      """)

  @Option(
    name: [.customShort("f"), .long],
    help: ArgumentHelp("Print only this, as a template, or json.", valueName: "template"))
  var format: String?

  func execute(_ context: Context) throws(Failure) -> Int32 {
    let document = SystemInformation.version(Version.number)
    if let format {
      Console.print(
        format == "json" ? document.compact : try Template(format).render(document))
      return 0
    }
    let lines = SystemInformation.lines(document)
    Console.printRaw(Table.text(lines.map { ["\($0):", $1] }))
    return 0
  }
}
