import ArgumentParser
import Engine
import Linux

struct ImageMountCommand: Command {
  static let configuration = CommandConfiguration(
    commandName: "mount", _superCommandName: "minidock image",
    abstract: "Mount an image's file system read-only to look inside, or list those mounted.",
    discussion: """
      Example:
        minidock image mount web
        minidock image unmount web

      The directory is printed. An image that is mounted cannot be removed.
      """)

  @Argument(help: ArgumentHelp("Names or ids.", valueName: "image")) var images: [String] = []

  func execute(_ context: Context) throws(Failure) -> Int32 {
    let mounts = ImageMounts(try context.installation())
    if images.isEmpty {
      for mount in try mounts.mounted() { Console.print("\(mount.id.prefix(12))  \(mount.path)") }
    }
    for name in images { Console.print(try mounts.mount(name)) }
    return 0
  }
}

struct ImageUnmountCommand: Command {
  static let configuration = CommandConfiguration(
    commandName: "unmount", _superCommandName: "minidock image",
    abstract: "Take the mounts of images away.",
    discussion: """
      Example:
        minidock image unmount --all
      """,
    aliases: ["umount"])

  @Flag(name: [.customShort("a"), .long], help: "All of them.") var all = false
  @Argument(help: ArgumentHelp("Names or ids.", valueName: "image")) var images: [String] = []

  func execute(_ context: Context) throws(Failure) -> Int32 {
    guard all != !images.isEmpty else {
      throw Failure(
        .invalid, "unmount", "images", reason: "it takes either images or --all")
    }
    let mounts = ImageMounts(try context.installation())
    if all { for id in try mounts.unmountAll() { Console.print(id) } }
    for name in images {
      try mounts.unmount(name)
      Console.print(name)
    }
    return 0
  }
}
