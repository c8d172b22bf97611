import ArgumentParser
import Engine
import Image
import Linux

struct CommitCommand: Command {
  static let configuration = CommandConfiguration(
    commandName: "commit",
    abstract: "Make an image of a container's changes.",
    usage: "minidock commit [OPTIONS] CONTAINER [NAME[:TAG]]",
    discussion: """
      Example:
        minidock commit -m 'nginx set up' web myweb:1.0
        minidock commit -c 'CMD ["nginx", "-g", "daemon off;"]' -c 'EXPOSE 80' web myweb

      The image has the layers of the container's image and one more with what `minidock diff` lists; \
      what is mounted in the container is no part of it. Its configuration is the container's, changed \
      by -c. A running container stands still meanwhile, unless --pause=false. The image's id is \
      printed.
      """)

  static let switches: [String: (on: String?, off: String?)] = [
    "--pause": ("--pause", "--no-pause"), "-p": ("--pause", "--no-pause"),
  ]

  @Option(
    name: [.customShort("c"), .long], parsing: .singleValue,
    help: ArgumentHelp(
      "Change part of the configuration: CMD, ENTRYPOINT, ENV, WORKDIR, USER, LABEL, EXPOSE, VOLUME, "
        + "STOPSIGNAL.", valueName: "instruction"))
  var change: [String] = []
  @Option(name: [.customShort("m"), .long], help: "Comment for the image's history.")
  var message = ""
  @Option(
    name: [.customShort("a"), .long],
    help: ArgumentHelp("Who made it: 'Ada <ada@example.org>'.", valueName: "name"))
  var author = ""
  @Flag(
    name: [.customShort("p"), .long], inversion: .prefixedNo,
    help: "Let the container stand still meanwhile.")
  var pause = true
  @Argument(help: ArgumentHelp("Name or id.", valueName: "container")) var container: String
  @Argument(help: "Name of the image.") var name: String?

  func execute(_ context: Context) throws(Failure) -> Int32 {
    var options = CommitOptions()
    options.name = try name.map { text throws(Failure) in try Reference(text) }
    options.changes = change
    options.message = message
    options.author = author
    options.pause = pause
    let installation = try context.installation()
    context.sweep(installation)
    let line = ProgressLine("committing")
    let image = try ContainerCommit(installation).commit(container, options) { bytes in
      var count = TransferCount()
      count.bytes = bytes
      line.update(count)
    }
    line.clear()
    Console.print(image.id.description)
    return 0
  }
}
