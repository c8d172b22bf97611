import ArgumentParser
import Engine
import Linux

struct EventsCommand: Command {
  static let configuration = CommandConfiguration(
    commandName: "events", _superCommandName: "minidock",
    abstract: "Show what happens to containers, images and volumes, as it happens.",
    discussion: """
      Example:
        minidock events
        minidock events --since 1h --until 0s --filter container=web --format json

      Without --since it begins with what happens from now on; without --until it never ends. Events \
      are kept until the next boot, the newest two mebibytes of them.
      """)

  @Option(help: ArgumentHelp("From this time on.", valueName: "time")) var since: String?
  @Option(help: ArgumentHelp("Up to this time.", valueName: "time")) var until: String?
  @Option(
    name: [.customShort("f"), .long], parsing: .singleValue,
    help: ArgumentHelp("Only what matches.", valueName: "key=value"))
  var filter: [String] = []
  @Option(help: ArgumentHelp("json, or a template.", valueName: "format")) var format: String?

  func execute(_ context: Context) throws(Failure) -> Int32 {
    let installation = try context.installation()
    context.sweep(installation)
    var query = EventLog.Query()
    query.since = try since.map { text throws(Failure) in try Moment.parse(text, "--since") }
    query.until = try until.map { text throws(Failure) in try Moment.parse(text, "--until") }
    for text in filter { query.filters.append(try Filter(text)) }
    let template =
      format == nil || format == "json"
      ? nil : try format.map { text throws(Failure) in try Template(text) }
    try EventLog(installation).follow(query) { event throws(Failure) in
      if let template {
        Console.print(try template.render(event.document))
      } else {
        Console.print(format == "json" ? event.document.compact : event.text.printable)
      }
      return true
    }
    return 0
  }
}
