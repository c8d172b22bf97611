import Linux

/// A bridge network as it is set up on the host.
public struct BridgeNetwork: Sendable, Equatable {
  /// "bridge".
  public let name: String
  /// The bridge's link.
  public let device: String
  /// The link's index in the host's network namespace.
  public let index: Int32
  /// The network whose addresses the containers share.
  public let subnet: Subnet
  /// The bridge's own address, the containers' default route.
  public let gateway: IPv4Address
  /// The largest packet in bytes, that of the host's default route at the time it was made.
  public let mtu: Int
  /// Where addresses are leased when none is asked for; nil: in all of the subnet.
  public var range: Subnet?
  /// nil of a network without IPv6.
  public var subnet6: Subnet6?
  /// The containers' IPv6 default route.
  public var gateway6: IPv6Address?
  /// Whether there is no way out of it.
  public var isInternal = false
  /// Of a macvlan or ipvlan network `device` is its parent, not a bridge.
  public var driver = NetworkRecord.Driver.bridge
  /// See ``NetworkRecord/mode``.
  public var mode = ""

  /// Whether default routes name no gateway, as nobody would answer for it.
  var isRoutedDirectly: Bool { driver == .ipvlan && mode != "l2" }
}

/// What a container gets from a network.
public struct Lease: Sendable, Equatable {
  /// The container's address.
  public let address: IPv4Address
  /// The length of its network's prefix in bits.
  public let prefixLength: Int
  /// Its default route.
  public let gateway: IPv4Address
  /// The Ethernet address of its link.
  public var mac: MACAddress
  /// nil on a network without IPv6.
  public var address6: IPv6Address?
  /// The length of the IPv6 network's prefix in bits.
  public var prefixLength6 = 64
  /// Its IPv6 default route.
  public var gateway6: IPv6Address?

  /// The lease of `address` in `subnet`.
  init(_ address: IPv4Address, in subnet: Subnet, gateway: IPv4Address? = nil) {
    self.address = address
    prefixLength = subnet.length
    self.gateway = gateway ?? subnet.gateway
    mac = MACAddress(for: address)
  }
}

/// The host's side of container networks: bridge, packet rules, addresses, veth pairs.
///
/// It holds nothing but names: every call looks at the kernel and at the records, so that any
/// number of processes work at a time and each repairs what another left. It calls netlink only.
///
///     <stateRoot>/networks/bridge      durable: the subnet, and what was changed on the host
///     <runRoot>/networks/bridge        what was found in place last, for the quick check
///     <runRoot>/networks/bridge.lock   held while something is put in place
///     <stateRoot>/networks/.forwarding see `ForwardingRecord`
///     <runRoot>/firewall/              see `FirewallRecords`
///     <runRoot>/leases/bridge/         see `LeaseBook`
public struct NetworkHost: Sendable {
  /// Where durable records are.
  public let stateRoot: String
  /// Where records of this boot are.
  public let runRoot: String
  /// The bridge's link name: "minidock0", or "md" and 8 hexadecimal digits for another root than
  /// /var/lib/minidock.
  public let device: String
  /// The name of the nf_tables tables of families inet and bridge: "minidock", or "minidock_" and the
  /// same digits.
  public let table: String
  /// The link group of the host's ends of the containers' veth pairs, this root's own.
  public let portGroup: UInt32
  /// Where in the list of candidates the search for a subnet begins: roots that start at the same
  /// time must not step from one to the next together.
  let subnetStart: Int
  private let netfilter: NetfilterSocket

  /// The networks of the minidock root with these directories, which are made when first needed.
  ///
  /// - Parameter netfilter: with which the packet rules are changed.
  public init(
    stateRoot: String, runRoot: String, netfilter: NetfilterSocket = NetfilterSocket()
  ) {
    self.netfilter = netfilter
    self.stateRoot = NetworkHost.trimmed(stateRoot)
    self.runRoot = NetworkHost.trimmed(runRoot)
    if self.stateRoot == "/var/lib/minidock" {
      device = "minidock0"
      table = "minidock"
      portGroup = 0x6d64_0001
      subnetStart = 0
    } else {
      let hash = NetworkHost.hash(self.stateRoot)
      let digits = hex(withUnsafeBytes(of: UInt32(truncatingIfNeeded: hash).bigEndian, Array.init))
      device = "md" + digits
      table = "minidock_" + digits
      portGroup = 1 << 30 | UInt32(truncatingIfNeeded: hash) >> 2
      subnetStart = 1 + Int(hash % UInt64(SubnetChoice.candidates.count - 1))
    }
  }

  private static func trimmed(_ path: String) -> String {
    var path = path[...]
    while path.count > 1 && path.hasSuffix("/") { path.removeLast() }
    return String(path)
  }

  /// FNV-1a, 64 bits, mixed so that all bits depend on all bytes.
  static func hash(_ text: String) -> UInt64 {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in text.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    hash ^= hash >> 32
    hash = hash &* 0x9e37_79b9_7f4a_7c15
    return hash ^ hash >> 29
  }

  var recordPath: String { stateRoot + "/networks/bridge" }
  var foundPath: String { runRoot + "/networks/bridge" }
  var lockPath: String { runRoot + "/networks/bridge.lock" }
  var forwarding: ForwardingRecord {
    ForwardingRecord(path: stateRoot + "/networks/.forwarding", earlierPath: recordPath)
  }
  /// The packet rules of this root.
  public var firewall: Firewall {
    Firewall(
      records: FirewallRecords(folder: runRoot + "/firewall"), name: table, portGroup: portGroup,
      forwarding: forwarding, socket: netfilter)
  }

  /// Reserves an address for `owner` (a container's id) until ``release(owner:)``; the same one
  /// when it has one already. Two owners never have the same address, however many ask at a time.
  ///
  /// - Parameter isAlive: whether an owner may still use its address; asked about owners of taken
  ///   addresses only, to take back those of the dead. It must be true of an owner from before it
  ///   asks for a lease until it has released it.
  /// - Throws: ``Failure/Code/refused`` when all addresses are leased; ``Failure/Code/invalid`` for
  ///   an id outside `[A-Za-z0-9][A-Za-z0-9_.-]{0,127}`.
  public func lease(
    owner: String, on network: BridgeNetwork, isAlive: (String) -> Bool
  ) throws(Failure) -> Lease {
    let address = try leases("bridge").lease(owner: owner, in: network.subnet, isAlive: isAlive)
    return Lease(address, in: network.subnet)
  }

  /// Removes what a container left on the host: its veth pair and its lease. Normally the kernel
  /// has deleted the pair with the container's namespace already, and that is no failure.
  public func remove(owner: String) throws(Failure) {
    var socket = try NetlinkSocket.route()
    var batch = MessageBatch(capacity: 256)
    let name = NetworkHost.hostLinkName(owner: owner)
    LinkMessages.delete(name, to: &batch)
    try socket.exchange(&batch, "delete link", name, tolerated: [ErrorNumber.noDevice])
    try release(owner: owner)
  }
}
