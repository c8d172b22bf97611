import Linux
import Net

/// What a running container has on one network, as its run file says.
public struct EndpointState: Sendable, Equatable {
  /// The network's name.
  public var network: String
  /// The network's id.
  public var networkID: String
  /// "eth0", "eth1", …
  public var link: String
  /// "10.88.0.7".
  public var address: String
  /// Bits of `address` that number the network.
  public var prefixLength: Int
  /// Where its packets leave the network; nil on one without a way out.
  public var gateway: String?
  /// Its Ethernet address.
  public var macAddress: String
  /// nil on a network without IPv6.
  public var address6: String?
  /// Bits of `address6` that number the network; 0 without IPv6.
  public var prefixLength6: Int
  /// The default route by IPv6; nil without.
  public var gateway6: String?

  init(_ endpoint: Endpoint, networkID: String) {
    let lease = endpoint.lease
    network = endpoint.network.name
    self.networkID = networkID
    link = endpoint.link
    address = "\(lease.address)"
    prefixLength = lease.prefixLength
    gateway = endpoint.network.isInternal ? nil : "\(lease.gateway)"
    macAddress = "\(lease.mac)"
    address6 = lease.address6.map { "\($0)" }
    prefixLength6 = lease.address6 == nil ? 0 : lease.prefixLength6
    gateway6 = endpoint.network.isInternal ? nil : lease.gateway6.map { "\($0)" }
  }

  /// A line of a run file: words, "-" for what there is none of.
  var field: String {
    [
      network, networkID, link, address, String(prefixLength), gateway ?? "-", macAddress,
      address6 ?? "-", String(prefixLength6), gateway6 ?? "-",
    ].joined(separator: " ")
  }

  init?(field: String) {
    let words = field.split(separator: " ").map(String.init)
    guard words.count >= 10, let prefix = Int(words[4]), let prefix6 = Int(words[8]) else {
      return nil
    }
    network = words[0]
    networkID = words[1]
    link = words[2]
    address = words[3]
    prefixLength = prefix
    gateway = words[5] == "-" ? nil : words[5]
    macAddress = words[6]
    address6 = words[7] == "-" ? nil : words[7]
    prefixLength6 = prefix6
    gateway6 = words[9] == "-" ? nil : words[9]
  }
}
