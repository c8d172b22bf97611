import ArgumentParser
import Engine
import Image
import Linux

struct PullCommand: Command {
  static let configuration = CommandConfiguration(
    commandName: "pull",
    abstract: "Fetch an image from a registry.",
    usage: "minidock pull [OPTIONS] NAME[:TAG|@DIGEST]",
    discussion: """
      Example:
        minidock pull debian:12
        minidock pull --platform linux/arm64 registry.example.com:5000/app@sha256:…

      Names without a registry are Docker Hub's. Every byte is compared with the digests that the image's \
      manifest names, and nothing is visible before all of it is whole.
      """)

  @Flag(name: [.customShort("a"), .long], help: "Pull all tags of the repository.")
  var allTags = false
  @Flag(name: [.customShort("q"), .long], help: "Print only the image's id.") var quiet = false
  @Option(help: ArgumentHelp("Platform to choose from a list.", valueName: "os/arch[/variant]"))
  var platform: String?
  @Argument(help: "The name of the image.") var name: String

  func execute(_ context: Context) throws(Failure) -> Int32 {
    let reference = try Reference(name)
    let installation = try context.installation()
    context.sweep(installation)
    let screen = TransferScreen(isQuiet: quiet)
    defer { screen.finish() }
    let pull = ImagePull(installation, platform: platform, progress: screen.update)
    let isTagGiven = reference.digest != nil || name.hasSuffix(":" + (reference.tag ?? ""))
    if allTags && isTagGiven {
      throw Failure(.invalid, "pull", name, reason: "a tag cannot be given with --all-tags")
    }
    if !allTags && !isTagGiven && !quiet { Console.print("Using default tag: latest") }
    let names = allTags ? try pull.names(ofRepository: reference) : [reference]
    for name in names {
      if !quiet {
        Console.print("\(name.tag ?? name.digest?.description ?? ""): Pulling from \(name.path)")
      }
      let outcome = try pull.pull(name)
      screen.finish()
      PullCommand.report(outcome, isQuiet: quiet)
    }
    return 0
  }

  /// Docker's last lines.
  static func report(_ outcome: ImagePull.Outcome, isQuiet: Bool) {
    if isQuiet {
      Console.print(outcome.image.id.description)
      return
    }
    for line in status(outcome) { Console.print(line) }
    Console.print(outcome.name.canonical)
  }

  /// Docker's "Digest:" and "Status:".
  static func status(_ outcome: ImagePull.Outcome) -> [String] {
    [
      "Digest: \(outcome.digest)",
      outcome.isNew
        ? "Status: Downloaded newer image for \(outcome.name.familiar)"
        : "Status: Image is up to date for \(outcome.name.familiar)",
    ]
  }
}
