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
      """)

  @Argument(help: ArgumentHelp("Name or id.", valueName: "container")) var container: String
  @Argument(help: ArgumentHelp("A port of the container.", valueName: "port")) var port: String?

  func execute(_ context: Context) throws(Failure) -> Int32 {
    let installation = try context.installation()
    context.sweep(installation)
    let store = ContainerStore(installation)
    let record = try store.find(container)
    let ports = store.state(of: record).ports
    guard let port else {
      for port in ports {
        Console.print("\(PortTexts.key(port)) -> \(PortTexts.host(port))")
      }
      return 0
    }
    let wanted = try PortCommand.normalize(port)
    let found = ports.filter { PortTexts.key($0) == wanted }
    guard !found.isEmpty else {
      throw Failure(
        .notFound, "no public port '\(wanted)' published for", record.name, reason: "")
    }
    for port in found { Console.print(PortTexts.host(port)) }
    return 0
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
