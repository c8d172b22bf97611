import ArgumentParser
import Engine
import Image
import Linux

struct PushCommand: Command {
  static let configuration = CommandConfiguration(
    commandName: "push",
    abstract: "Send an image to a registry.",
    usage: "minidock push [OPTIONS] NAME[:TAG]",
    discussion: """
      Example:
        minidock push registry.example.com/app:1.0
        minidock push --all-tags registry.example.com/app

      Layers that the registry has, or can take from another of its repositories, are not sent.
      """)

  @Flag(name: [.customShort("a"), .long], help: "Push all tags of the repository.")
  var allTags = false
  @Flag(name: [.customShort("q"), .long], help: "Print only the name.") var quiet = false
  @Argument(help: "The name of the image.") var name: String

  func execute(_ context: Context) throws(Failure) -> Int32 {
    let reference = try Reference(name)
    let installation = try context.installation()
    let screen = TransferScreen(isQuiet: quiet)
    defer { screen.finish() }
    let push = ImagePush(installation, progress: screen.update)
    let isTagGiven = name.hasSuffix(":" + (reference.tag ?? ""))
    if allTags && reference.digest == nil && isTagGiven {
      throw Failure(.invalid, "push", name, reason: "a tag cannot be given with --all-tags")
    }
    if !allTags && reference.digest == nil && !isTagGiven && !quiet {
      Console.print("Using default tag: latest")
    }
    let names = allTags ? try push.names(ofRepository: reference) : [reference]
    if !quiet {
      Console.print("The push refers to repository [\(reference.domain)/\(reference.path)]")
    }
    for name in names {
      let outcome = try push.push(name)
      screen.finish()
      if quiet {
        Console.print(name.canonical)
      } else {
        Console.print(
          "\(name.tag ?? ""): digest: \(outcome.digest) size: \(outcome.size)")
      }
    }
    return 0
  }
}
