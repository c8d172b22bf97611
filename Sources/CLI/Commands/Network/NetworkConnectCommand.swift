import ArgumentParser
import Engine
import Linux

struct NetworkConnectCommand: Command {
  static let configuration = CommandConfiguration(
    commandName: "connect", _superCommandName: "minidock network",
    abstract: "Connect a container with a network.",
    discussion: """
      Example:
        minidock network connect back web
        minidock network connect --alias db --ip 10.99.0.7 back postgres

      A container that runs is connected at once, and every later start connects it again.
      """)

  @Option(
    parsing: .singleValue,
    help: ArgumentHelp("Further name on the network.", valueName: "name"))
  var alias: [String] = []
  @Option(help: ArgumentHelp("IPv4 address.", valueName: "address")) var ip: String?
  @Option(help: ArgumentHelp("IPv6 address.", valueName: "address")) var ip6: String?
  @Option(help: ArgumentHelp("Ethernet address.", valueName: "address")) var macAddress: String?
  @Argument(help: ArgumentHelp("Name or id.", valueName: "network")) var network: String
  @Argument(help: ArgumentHelp("Name or id.", valueName: "container")) var container: String

  func execute(_ context: Context) throws(Failure) -> Int32 {
    var attachment = NetworkAttachment(network)
    attachment.aliases = alias
    if let ip { try attachment.setAddress(ip) }
    if let ip6 { try attachment.setAddress6(ip6) }
    if let macAddress { try attachment.setMAC(macAddress) }
    let installation = try context.installation()
    try NetworkConnection(installation).connect(container: container, to: attachment)
    return 0
  }
}
