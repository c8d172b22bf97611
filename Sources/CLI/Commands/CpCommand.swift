import ArgumentParser
import Engine
import Linux

struct CpCommand: Command {
  static let configuration = CommandConfiguration(
    commandName: "cp",
    abstract: "Copy files between a container and the host.",
    usage: """
      minidock cp [OPTIONS] CONTAINER:SOURCE DESTINATION|-
      minidock cp [OPTIONS] SOURCE|- CONTAINER:DESTINATION
      """,
    discussion: """
      Example:
        minidock cp web:/var/log/nginx ./logs
        minidock cp nginx.conf web:/etc/nginx/
        minidock cp site/. web:/srv/www
        tar -c site | minidock cp - web:/srv

      The container may run or not; a running one stands still meanwhile. Volumes and other mounts are \
      seen. A path in a container starts at its root, a host path with a colon in it is written ./NAME.

      Where DESTINATION is a directory, the copy goes into it under SOURCE's name, and a SOURCE that \
      ends with /. stands for the directory's content. Where it does not exist, the copy gets its name; \
      the directory above must exist, and a file is not copied to a name that ends with a slash. A file \
      is replaced by a file, but never a directory by something else or the other way round.

      Copied files belong to root in the container, and to the caller on the host, where they lose \
      set-user-id, set-group-id and file capabilities; -a keeps the owners. An archive ("-", plain tar \
      or compressed with gzip, zstd, xz or bzip2) says itself whose its files are, and is unpacked into \
      a directory that exists. /proc, /sys and /dev of a running container are not copied from or to.
      """)

  static let switches: [String: (on: String?, off: String?)] = [
    "-a": ("-a", nil), "--archive": ("-a", nil), "-L": ("-L", nil), "--follow-link": ("-L", nil),
    "-q": ("-q", nil), "--quiet": ("-q", nil),
  ]

  @Flag(name: [.customShort("a"), .long], help: "Keep user and group of every file.")
  var archive = false
  @Flag(
    name: [.customShort("L"), .long], help: "Copy what a link leads to that is given as SOURCE.")
  var followLink = false
  @Flag(name: [.customShort("q"), .long], help: "Show neither progress nor result.")
  var quiet = false
  @Argument(help: "What is copied.") var source: String
  @Argument(help: "Where it goes.") var destination: String

  func execute(_ context: Context) throws(Failure) -> Int32 {
    let installation = try context.installation()
    context.sweep(installation)
    let line = ProgressLine("copying", isQuiet: quiet)
    var copy = ContainerCopy(installation)
    copy.keepsOwners = archive
    copy.followsLink = followLink
    copy.progress = { line.update($0) }
    let target = CopyArgument(destination)
    let count: TransferCount
    do throws(Failure) {
      count = try copy.copy(from: CopyArgument(source), to: target)
    } catch {
      line.clear()
      throw error
    }
    line.clear()
    if !quiet, Console.errorIsTerminal, target != .stream {
      Console.error("Successfully copied \(ByteCount.decimal(count.bytes)) to \(destination)")
    }
    return 0
  }
}
