import ArgumentParser
import Engine
import Image
import Linux

struct TagCommand: Command {
  static let configuration = CommandConfiguration(
    commandName: "tag", _superCommandName: "minidock",
    abstract: "Give an image a further name.",
    discussion: """
      Example:
        minidock tag web:1.0 registry.example.org/team/web:1.0
      """)

  @Argument(help: ArgumentHelp("Name or id of the image.", valueName: "image")) var image: String
  @Argument(help: ArgumentHelp("The new name.", valueName: "name[:tag]")) var name: String

  func execute(_ context: Context) throws(Failure) -> Int32 {
    try ImageTagging(try context.installation()).tag(image, as: try Reference(name))
    return 0
  }
}
