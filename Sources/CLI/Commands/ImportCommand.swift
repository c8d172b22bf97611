import ArgumentParser
import Engine
import Image
import Linux

struct ImportCommand: Command {
  static let configuration = CommandConfiguration(
    commandName: "import",
    abstract: "Make an image from a root file system tarball.",
    usage: "minidock import [OPTIONS] FILE|- [NAME[:TAG]]",
    discussion: """
      Example:
        minidock import rootfs.tar.gz myimage:1.0
        tar -C rootfs -c . | minidock import - myimage

      FILE is a tar archive, plain or compressed with gzip, zstd, xz or bzip2; "-" reads standard \
      input. The image's id is printed.
      """)

  @Option(
    name: [.customShort("c"), .long], parsing: .singleValue,
    help: ArgumentHelp(
      "Set part of the image's configuration: CMD, ENTRYPOINT, ENV, WORKDIR, USER, LABEL, EXPOSE, "
        + "VOLUME, STOPSIGNAL.", valueName: "instruction"))
  var change: [String] = []
  @Option(name: [.customShort("m"), .long], help: "Comment for the image's history.")
  var message = ""
  @Option(
    help: ArgumentHelp("What the image is for.", valueName: "os/architecture[/variant]"))
  var platform: String?
  @Argument(help: ArgumentHelp("The archive, or - for standard input.", valueName: "file"))
  var file: String
  @Argument(help: "Name of the image.") var name: String?

  func execute(_ context: Context) throws(Failure) -> Int32 {
    let reference = try name.map { text throws(Failure) in try Reference(text) }
    let config = try ImageChanges(change).config()
    let target = try platform.map { text throws(Failure) in try ImagePlatform(text) }
    let installation = try context.installation()
    context.sweep(installation)
    let image = try ImageImport(installation).importArchive(
      file, name: reference, config: config, comment: message, platform: target)
    Console.print(image.id.description)
    return 0
  }
}
