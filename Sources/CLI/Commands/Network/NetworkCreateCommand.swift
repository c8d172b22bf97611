import ArgumentParser
import Engine
import Linux
import Net

struct NetworkCreateCommand: Command {
  static let configuration = CommandConfiguration(
    commandName: "create", _superCommandName: "minidock network",
    abstract: "Make a network.",
    discussion: """
      Example:
        minidock network create front
        minidock network create --internal --subnet 10.99.0.0/24 back
        minidock network create --ipv6 --opt mtu=1400 dual
        minidock network create -d macvlan --opt parent=eth0 --subnet 192.168.1.0/24 lan

      The network's id is printed. Without --subnet one is chosen that the host does not use.
      """)

  @Option(
    name: [.customShort("d"), .long], help: "Driver: bridge, macvlan or ipvlan.")
  var driver = "bridge"
  @Option(
    parsing: .singleValue,
    help: ArgumentHelp("Addresses, one of IPv4 and one of IPv6.", valueName: "subnet"))
  var subnet: [String] = []
  @Option(
    parsing: .singleValue,
    help: ArgumentHelp("The host's address in a subnet.", valueName: "address"))
  var gateway: [String] = []
  @Option(
    parsing: .singleValue,
    help: ArgumentHelp("Part of the subnet that containers get.", valueName: "subnet"))
  var ipRange: [String] = []
  @Flag(help: "Use IPv6 as well.") var ipv6 = false
  @Flag(help: "No way out, and none in.") var `internal` = false
  @Flag(help: .hidden) var attachable = false
  @Option(
    name: [.customShort("o"), .long], parsing: .singleValue,
    help: ArgumentHelp(
      "mtu=N, parent=LINK, macvlan_mode= or ipvlan_mode=.", valueName: "name=value"))
  var opt: [String] = []
  @Option(
    name: [.customShort("l"), .long], parsing: .singleValue,
    help: ArgumentHelp("Label of the network.", valueName: "key=value"))
  var label: [String] = []
  @Argument(help: "Name of the network.") var name: String

  func execute(_ context: Context) throws(Failure) -> Int32 {
    var request = NetworkRequest(name: name)
    request.driver = driver
    request.subnets = subnet
    request.gateways = gateway
    request.ranges = ipRange
    request.usesIPv6 = ipv6
    request.isInternal = `internal`
    request.options = try pairs(opt, flag: "--opt")
    request.labels = try pairs(label, flag: "--label")
    Console.print(try NetworkStore(try context.installation()).create(request).id)
    return 0
  }

  // The last value of a key counts.
  private func pairs(
    _ texts: [String], flag: String
  ) throws(Failure) -> [(key: String, value: String)] {
    var pairs: [(key: String, value: String)] = []
    for text in texts {
      let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard !parts[0].isEmpty else {
        throw Failure(.invalid, "parse", "\(flag)=\(text)", reason: "it has no key")
      }
      pairs.removeAll { $0.key == parts[0] }
      pairs.append((String(parts[0]), parts.count == 2 ? String(parts[1]) : ""))
    }
    return pairs
  }
}
