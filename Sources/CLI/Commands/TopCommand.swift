import ArgumentParser
import Engine
import Linux

struct TopCommand: Command {
  static let configuration = CommandConfiguration(
    commandName: "top", _superCommandName: "minidock",
    abstract: "Show the processes of a container.",
    usage: "minidock top CONTAINER [PS OPTIONS]",
    discussion: """
      Example:
        minidock top web
        minidock top web aux
        minidock top web -o pid,user,rss,etime,args

      Process ids are the host's, and user names those of the host's /etc/passwd. Of ps's options it \
      knows -e, -f, -F, -o COLUMNS and aux; without any it shows what -ef does.
      """)

  @Argument(help: ArgumentHelp("Name or id.", valueName: "container")) var container: String
  @Argument(
    parsing: .captureForPassthrough,
    help: ArgumentHelp("Options of ps, for the columns.", valueName: "ps options"))
  var options: [String] = []

  func execute(_ context: Context) throws(Failure) -> Int32 {
    let installation = try context.installation()
    context.sweep(installation)
    let table = try ContainerTop(installation).table(of: container, options: options)
    Console.printRaw(TopCommand.text(table))
    return 0
  }

  /// Docker's form: columns of at least 20 characters with the space between them.
  static func text(_ rows: [[String]]) -> String {
    var widths = [Int](repeating: 17, count: rows.first?.count ?? 0)
    for row in rows {
      for (index, cell) in row.enumerated() { widths[index] = max(widths[index], cell.count) }
    }
    var text = ""
    for row in rows {
      for (index, cell) in row.enumerated() {
        text += cell
        if index + 1 < row.count {
          text += String(repeating: " ", count: widths[index] + 3 - cell.count)
        }
      }
      text += "\n"
    }
    return text
  }
}
