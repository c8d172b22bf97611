import ArgumentParser
import Engine
import Linux

struct NetworkPruneCommand: Command {
  static let configuration = CommandConfiguration(
    commandName: "prune", _superCommandName: "minidock network",
    abstract: "Remove networks that no container has.",
    discussion: """
      Example:
        minidock network prune
        minidock network prune -f --filter until=24h
      """)

  @OptionGroup var flags: PruneFlags

  func execute(_ context: Context) throws(Failure) -> Int32 {
    let selection = try flags.selection()
    try flags.confirm(
      "networks",
      "WARNING! This will remove all custom networks not used by at least one container.")
    let installation = try context.installation()
    context.sweep(installation)
    PruneReport.printList("Deleted Networks", try NetworkStore(installation).prune(selection))
    return 0
  }
}
