import ArgumentParser
import Engine
import Linux

struct SystemPruneCommand: Command {
  static let configuration = CommandConfiguration(
    commandName: "prune", _superCommandName: "minidock system",
    abstract: "Remove what nobody uses: containers, networks, images, volumes.",
    discussion: """
      Example:
        minidock system prune
        minidock system prune -af --volumes

      Stopped containers, networks that no container has and images without a name are removed; with -a every image that no container is \
      made of, with --volumes anonymous volumes that no container has.
      """)

  @Flag(name: [.customShort("a"), .long], help: "Remove images with a name as well.")
  var all = false
  @Flag(help: "Remove anonymous volumes as well.") var volumes = false
  @OptionGroup var flags: PruneFlags

  func execute(_ context: Context) throws(Failure) -> Int32 {
    let selection = try flags.selection()
    if volumes && selection.until != nil {
      throw Failure(
        .invalid, "parse", "--filter until", reason: "it and --volumes exclude each other")
    }
    try flags.confirm("system", warning)
    let installation = try context.installation()
    context.sweep(installation)
    let line = PruneProgress("containers")
    let (ids, written) = try ContainerPrune(installation).prune(selection) { line.show($0, $1) }
    line.clear()
    PruneReport.printList("Deleted Containers", ids)
    PruneReport.printList("Deleted Networks", try NetworkStore(installation).prune(selection))
    var total = written
    if volumes {
      let line = PruneProgress("volumes")
      let (names, bytes) = try VolumeRemoval(installation).prune(all: false, selection) {
        line.show($0, $1)
      }
      line.clear()
      PruneReport.printList("Deleted Volumes", names)
      total += bytes
    }
    let images = PruneProgress("images")
    let (lines, bytes) = try ImagePrune(installation).prune(all: all, selection) {
      images.show($0, $1)
    }
    images.clear()
    PruneReport.printList("Deleted Images", lines)
    PruneReport.printTotal(total + bytes)
    return 0
  }

  private var warning: String {
    var lines = ["WARNING! This will remove:", "  - all stopped containers"]
    lines.append("  - all networks not used by at least one container")
    if volumes { lines.append("  - all anonymous volumes not used by at least one container") }
    lines.append(
      all
        ? "  - all images without at least one container associated to them"
        : "  - all dangling images")
    return lines.joined(separator: "\n") + "\n"
  }
}
