import ArgumentParser
import Engine
import Linux
import Net

struct NetworkLsCommand: Command {
  static let configuration = CommandConfiguration(
    commandName: "ls", _superCommandName: "minidock network",
    abstract: "List networks.",
    discussion: """
      Example:
        minidock network ls
        minidock network ls -q --filter type=custom --filter dangling=true

      Filters are id, name, label, driver, scope, type (custom or builtin) and dangling: whether no \
      container has the network.
      """,
    aliases: ["list"])

  @OptionGroup var listing: ListFlags

  func execute(_ context: Context) throws(Failure) -> Int32 {
    let installation = try context.installation()
    context.sweep(installation)
    let networks = try NetworkStore(installation).list(filters: try listing.filters())
    try listing.print(
      networks.map { NetworkLine(network: $0, full: listing.noTrunc) },
      columns: NetworkLine.columns)
    return 0
  }
}

/// A line of `network ls`.
struct NetworkLine: ListLine {
  let network: NetworkRecord
  let full: Bool

  static let columns = [
    Column("ID", "NETWORK ID"), Column("Name", "NAME"), Column("Driver", "DRIVER"),
    Column("Scope", "SCOPE"),
  ]

  static let headers = ["ID": "NETWORK ID", "CreatedAt": "CREATED AT"]

  var identifier: String { full ? network.id : network.shortID }

  var document: JSONValue {
    let labels = network.labels.map { "\($0.key)=\($0.value)" }.joined(separator: ",")
    return .object([
      ("CreatedAt", .string(network.created.description)),
      ("Driver", .string(network.driver.rawValue)),
      ("ID", .string(identifier)),
      ("IPv4", .string("true")),
      ("IPv6", .string(network.subnet6 == nil ? "false" : "true")),
      ("Internal", .string(network.isInternal ? "true" : "false")),
      ("Labels", .string(labels)),
      ("Name", .string(network.name)),
      ("Scope", .string("local")),
    ])
  }
}
