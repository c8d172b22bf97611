import ArgumentParser
import Engine
import Image
import Linux

struct SaveCommand: Command {
  static let configuration = CommandConfiguration(
    commandName: "save", _superCommandName: "minidock",
    abstract: "Write images into an archive.",
    discussion: """
      Example:
        minidock save -o images.tar web:1.0 db:2.1
        minidock save web | ssh host docker load
        minidock save --format oci-dir -o layout web

      The archive is docker's, which docker, podman and skopeo load and which is an OCI layout as well. \
      Layers go out as they came in. A name without a tag stands for all its tags. The file appears when \
      it is complete, and not at all when something fails.
      """)

  @Option(
    name: [.customShort("o"), .long],
    help: ArgumentHelp(
      "Write to a file or directory instead of standard output.", valueName: "file")
  )
  var output: String?
  @Option(
    help: ArgumentHelp("docker, docker-archive, oci-archive or oci-dir.", valueName: "format"))
  var format = "docker"
  @Flag(name: [.customShort("q"), .long], help: "Show no progress.") var quiet = false
  @Argument(help: ArgumentHelp("Names or ids.", valueName: "image")) var images: [String]

  func execute(_ context: Context) throws(Failure) -> Int32 {
    guard let format = ImageSave.Format(rawValue: format) else {
      throw Failure(
        .invalid, "parse", "--format=\(format)",
        reason: "it is none of \(ImageSave.Format.allCases.map(\.rawValue).joined(separator: ", "))"
      )
    }
    let line = ProgressLine("saving", isQuiet: quiet)
    defer { line.clear() }
    try ImageSaving(try context.installation()).save(images, format: format, to: output) {
      line.update($0)
    }
    return 0
  }
}
