import ArgumentParser
import Engine
import Linux

struct PortCommand: Command {
  static let configuration = CommandConfiguration(
    commandName: "port", _superCommandName: "minidock",
    abstract: "Show the published ports of a container.",
    usage: "minidock port CONTAINER [PRIVATE_PORT[/PROTOCOL]]",
    discussion: """
      Example:
        minidock port web
        minidock port web 80/tcp

      Ports cannot be published yet: it shows none.
      """)

  @Argument(help: ArgumentHelp("Name or id.", valueName: "container")) var container: String
  @Argument(help: ArgumentHelp("A port of the container.", valueName: "port")) var port: String?

  func execute(_ context: Context) throws(Failure) -> Int32 {
    let name = try ContainerStore(try context.installation()).find(container).name
    guard let port else { return 0 }
    throw Failure(
      .notFound, "no public port '\(try PortCommand.normalize(port))' published for", name,
      reason: "")
  }

  /// "80" as "80/tcp".
  static func normalize(_ text: String) throws(Failure) -> String {
    let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
    let protocolName = parts.count == 2 ? parts[1].lowercased() : "tcp"
    guard let number = Int(parts[0]), (1...65535).contains(number),
      ["tcp", "udp", "sctp"].contains(protocolName)
    else {
      throw Failure(
        .invalid, "parse", text, reason: "it is not PORT[/tcp|udp|sctp]")
    }
    return "\(number)/\(protocolName)"
  }
}
