import ArgumentParser
import Engine
import Linux

struct ExportCommand: Command {
  static let configuration = CommandConfiguration(
    commandName: "export", _superCommandName: "minidock",
    abstract: "Write a container's root file system as a tar archive.",
    discussion: """
      Example:
        minidock export -o web.tar web
        minidock export web | gzip > web.tar.gz

      The container may run or not. What is mounted in it (volumes, /proc, /sys, /dev) is left out. The \
      file appears when it is complete, and not at all when something fails.
      """)

  @Option(
    name: [.customShort("o"), .long],
    help: ArgumentHelp("Write to a file instead of standard output.", valueName: "file"))
  var output: String?
  @Argument(help: ArgumentHelp("Name or id.", valueName: "container")) var container: String

  func execute(_ context: Context) throws(Failure) -> Int32 {
    let installation = try context.installation()
    context.sweep(installation)
    let line = ProgressLine("exporting")
    defer { line.clear() }
    try ContainerExport(installation).export(container, to: output) { line.update($0) }
    return 0
  }
}
