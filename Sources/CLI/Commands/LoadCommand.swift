import ArgumentParser
import Engine
import Image
import Linux

struct LoadCommand: Command {
  static let configuration = CommandConfiguration(
    commandName: "load", _superCommandName: "minidock",
    abstract: "Load images from an archive.",
    discussion: """
      Example:
        minidock load -i images.tar
        docker save nginx | minidock load
        minidock load -i layout/ --platform linux/arm64

      The archive is what docker save, podman save, skopeo or buildx wrote: docker's format of any age, or \
      an OCI layout, as a tar (plain or compressed with gzip, zstd, xz or bzip2) or as a directory. Every \
      layer is checked against the digests that the archive gives. Of an image for several platforms the \
      one for this machine is loaded, unless --platform names another.
      """)

  @Option(
    name: [.customShort("i"), .long],
    help: ArgumentHelp(
      "Read from a file or directory instead of standard input.", valueName: "file"))
  var input: String?
  @Flag(name: [.customShort("q"), .long], help: "Show no progress.") var quiet = false
  @Option(
    help: ArgumentHelp("Which image of several.", valueName: "os/architecture[/variant]"))
  var platform: String?

  func execute(_ context: Context) throws(Failure) -> Int32 {
    let installation = try context.installation()
    context.sweep(installation)
    var loading = ImageLoading(installation)
    loading.platform = try platform.map { text throws(Failure) in try ImagePlatform(text) }
    let line = LoadProgressLine(isQuiet: quiet)
    let images = try loading.load(input) { line.update($0) }
    line.clear()
    for image in images {
      if image.names.isEmpty { Console.print("Loaded image ID: \(image.id)") }
      for name in image.names { Console.print("Loaded image: \(name.familiar)") }
    }
    return 0
  }
}

/// The progress of a load on a terminal.
final class LoadProgressLine {
  private var line: ProgressLine
  private var layer = 0
  private let isQuiet: Bool
  private let verb: String

  init(isQuiet: Bool, verb: String = "loading") {
    self.isQuiet = isQuiet
    self.verb = verb
    line = ProgressLine("reading archive", isQuiet: isQuiet)
  }

  func update(_ progress: LoadProgress) {
    if progress.layer != layer {
      line.clear()
      layer = progress.layer
      line = ProgressLine("\(verb) layer \(layer) of \(progress.layers)", isQuiet: isQuiet)
    }
    var count = TransferCount()
    count.bytes = progress.bytes
    line.update(count)
  }

  func clear() { line.clear() }
}
