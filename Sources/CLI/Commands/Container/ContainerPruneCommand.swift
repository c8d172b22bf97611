import ArgumentParser
import Engine
import Linux

struct ContainerPruneCommand: Command {
  static let configuration = CommandConfiguration(
    commandName: "prune", _superCommandName: "minidock container",
    abstract: "Remove all containers that do not run.",
    discussion: """
      Example:
        minidock container prune
        minidock container prune -f --filter until=24h
      """)

  @OptionGroup var flags: PruneFlags

  func execute(_ context: Context) throws(Failure) -> Int32 {
    let selection = try flags.selection()
    try flags.confirm("containers", "WARNING! This will remove all stopped containers.")
    let installation = try context.installation()
    context.sweep(installation)
    let line = PruneProgress("containers")
    let (ids, bytes) = try ContainerPrune(installation).prune(selection) { line.show($0, $1) }
    line.clear()
    PruneReport.printList("Deleted Containers", ids)
    PruneReport.printTotal(bytes)
    return 0
  }
}
