import ArgumentParser
import Engine
import Linux

struct VolumePruneCommand: Command {
  static let configuration = CommandConfiguration(
    commandName: "prune", _superCommandName: "minidock volume",
    abstract: "Remove volumes that no container has.",
    discussion: """
      Example:
        minidock volume prune
        minidock volume prune -af --filter label!=keep

      Without -a only anonymous volumes are removed.
      """)

  @Flag(name: [.customShort("a"), .long], help: "Remove volumes with a name as well.")
  var all = false
  @OptionGroup var flags: PruneFlags

  func execute(_ context: Context) throws(Failure) -> Int32 {
    let selection = try flags.selection()
    try flags.confirm(
      "volumes",
      "WARNING! This will remove \(all ? "all" : "anonymous") local volumes not used by at least "
        + "one container.")
    let installation = try context.installation()
    context.sweep(installation)
    let line = PruneProgress("volumes")
    let (names, bytes) = try VolumeRemoval(installation).prune(all: all, selection) {
      line.show($0, $1)
    }
    line.clear()
    PruneReport.printList("Deleted Volumes", names)
    PruneReport.printTotal(bytes)
    return 0
  }
}
