import ArgumentParser
import Engine
import Linux

struct LogsCommand: Command {
  static let configuration = CommandConfiguration(
    commandName: "logs", _superCommandName: "minidock",
    abstract: "Show what a container has printed.",
    discussion: """
      Example:
        minidock logs web
        minidock logs -f -n 20 web
        minidock logs -t --since 10m web

      Times are RFC 3339, seconds since 1970, or an age such as 10m or 1h30m. What the container \
      printed to its standard error comes out there.
      """)

  @Flag(name: [.customShort("f"), .long], help: "Go on until the container has ended.")
  var follow = false
  @Flag(name: [.customShort("t"), .long], help: "Put the time in front of each line.")
  var timestamps = false
  @Option(
    name: [.customShort("n"), .long], help: ArgumentHelp("Only the last lines.", valueName: "lines")
  )
  var tail = "all"
  @Option(help: ArgumentHelp("Only what came later.", valueName: "time")) var since: String?
  @Option(help: ArgumentHelp("Only what came before.", valueName: "time")) var until: String?
  @Flag(help: ArgumentHelp("Taken for docker's sake; there is nothing more to show.")) var details =
    false
  @Argument(help: ArgumentHelp("Name or id.", valueName: "container")) var container: String

  func execute(_ context: Context) throws(Failure) -> Int32 {
    let installation = try context.installation()
    context.sweep(installation)
    var query = ContainerLogs.Query()
    query.follows = follow
    query.timestamps = timestamps
    if tail != "all" {
      guard let lines = Int(tail) else {
        throw Failure(
          .invalid, "parse", "--tail=\(tail)", reason: "it is neither a number nor all")
      }
      query.tail = lines < 0 ? nil : lines
    }
    query.since = try since.map { text throws(Failure) in try Moment.parse(text, "--since") }
    query.until = try until.map { text throws(Failure) in try Moment.parse(text, "--until") }
    do throws(Failure) {
      try ContainerLogs(installation).show(container, query)
    } catch  where error.errno == ErrorNumber.brokenPipe {
      // A reader that is gone has seen what it wanted.
    }
    return 0
  }
}

/// A moment as docker's flags write it.
enum Moment {
  /// RFC 3339, a date, seconds since 1970 with a fraction, or how long ago ("10m").
  static func parse(_ text: String, _ flag: String) throws(Failure) -> Timestamp {
    if let time = Timestamp(text) { return time }
    // A date alone, and a time without its zone, are UTC.
    for ending in ["Z", ":00Z", "T00:00:00Z"] {
      if let time = Timestamp(text + ending) { return time }
    }
    if let seconds = Double(text), seconds.isFinite, abs(seconds) < 9e9 {
      return Timestamp(nanoseconds: Int64(seconds * 1e9))
    }
    do throws(Failure) {
      let age = try Duration.nanoseconds(text, flag: flag)
      return Timestamp(nanoseconds: Timestamp.now.nanoseconds - age)
    } catch {
      throw Failure(
        .invalid, "parse", "\(flag)=\(text)", reason: "it is no time",
        remedy: "write it as 2026-01-31T12:00:00Z, 1769860800 or 10m")
    }
  }
}
