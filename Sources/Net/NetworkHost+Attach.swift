import CMnl
import Linux

extension NetworkHost {
  /// The host's end of a container's veth pair: "veth" and the first 11 characters of its id, or of
  /// a digest of an id that has fewer or cannot be part of a link name.
  public static func hostLinkName(owner: String) -> String {
    let head = owner.utf8.prefix(11)
    let isPlain = head.allSatisfy { (48...57).contains($0) || (97...122).contains($0) }
    if head.count == 11 && isPlain { return "veth" + String(decoding: head, as: UTF8.self) }
    let digest = hex(withUnsafeBytes(of: hash(owner).bigEndian, Array.init))
    return "veth" + digest.prefix(11)
  }

  /// Connects the network namespace behind `netns` (a descriptor of /proc/PID/ns/net) to the
  /// bridge: one veth pair, its host end up and in the bridge, its peer made directly inside as
  /// `eth0`, down.
  ///
  /// It may run while the container's init is still mounting; a pair of the same container that an
  /// earlier run left is replaced.
  ///
  /// - Throws: the kernel's failure; EEXIST when the namespace has an eth0 already.
  public func attach(
    owner: String, netns: Int32, to network: BridgeNetwork, lease: Lease
  ) throws(Failure) {
    var socket = try NetlinkSocket.route()
    try attach(owner: owner, netns: netns, to: network, lease: lease, netlink: &socket)
  }

  /// As ``attach(owner:netns:to:lease:)`` over a socket of the host's namespace.
  func attach<Transport: NetlinkTransport & ~Copyable>(
    owner: String, netns: Int32, to network: BridgeNetwork, lease: Lease, link: String = "eth0",
    netlink: inout NetlinkConnection<Transport>
  ) throws(Failure) {
    let name = NetworkHost.hostLinkName(owner: owner, network: network.name)
    func create() throws(Failure) {
      var batch = MessageBatch(capacity: 512)
      LinkMessages.addVethPair(
        host: name, peer: link, peerMAC: lease.mac, netns: netns, master: network.index,
        mtu: network.mtu, group: portGroup, to: &batch)
      // EAFNOSUPPORT: this kernel has no IPv6 to be told about.
      try netlink.exchange(
        &batch, "create veth pair", name, tolerated: [ErrorNumber.noAddressFamily])
    }
    do throws(Failure) { try create() } catch  where error.errno == ErrorNumber.exists {
      var batch = MessageBatch(capacity: 256)
      LinkMessages.delete(name, to: &batch)
      try netlink.exchange(&batch, "delete link", name, tolerated: [ErrorNumber.noDevice])
      try create()
    }
  }

  /// Configures the namespace behind `netns` from outside, after ``attach(owner:netns:to:lease:)``:
  /// loopback up; eth0 without IPv6, with the lease's address, up; default route.
  ///
  /// The calling thread visits the namespace for some microseconds (``NetworkNamespace``). Nothing
  /// inside has to wait or to be told anything.
  public func configure(netns: Int32, lease: Lease) throws(Failure) {
    var socket = try NetworkNamespace.inside(netns) { () throws(Failure) in
      try NetworkHost.disableIPv6(link: "eth0")
      return try NetlinkSocket.route()
    }
    try configureInside(netlink: &socket, lease: lease)
  }

  /// Configures the namespace of `netlink`'s socket: loopback up; eth0 with the lease's address,
  /// up; default route. IPv6 is left as it is (``disableIPv6(link:)``).
  public func configureInside<Transport: NetlinkTransport & ~Copyable>(
    netlink: inout NetlinkConnection<Transport>, lease: Lease
  ) throws(Failure) {
    var first = MessageBatch(capacity: 256)
    LinkMessages.setUp(index: 1, to: &first)
    LinkMessages.get("eth0", to: &first)
    let replies = try netlink.exchange(&first, "set up", "loopback and eth0")
    guard let link = replies.compactMap(Link.init).first(where: { $0.name == "eth0" }),
      let subnet = Subnet(containing: lease.address, length: lease.prefixLength)
    else { throw Failure(.corrupt, "set up", "eth0", reason: "the kernel's answer has no link") }
    var second = MessageBatch(capacity: 512)
    LinkMessages.addAddress(lease.address, in: subnet, index: link.index, to: &second)
    LinkMessages.setUp(index: link.index, to: &second)
    LinkMessages.addDefaultRoute(gateway: lease.gateway, index: link.index, to: &second)
    try netlink.exchange(
      &second, "set up", "eth0 with \(lease.address)", tolerated: [ErrorNumber.exists])
  }

  /// Sets loopback up in the namespace of `netlink`'s socket, all that `--network none` has.
  public func loopbackUp<Transport: NetlinkTransport & ~Copyable>(
    netlink: inout NetlinkConnection<Transport>
  ) throws(Failure) {
    var batch = MessageBatch(capacity: 256)
    LinkMessages.setUp(index: 1, to: &batch)
    try netlink.exchange(&batch, "set up", "loopback")
  }

  /// Turns IPv6 and the acceptance of router advertisements off on a link of this process's network
  /// namespace, before it is set up: on a network without IPv6 any neighbour could otherwise make
  /// itself the router (CVE-2020-13401). A kernel without IPv6 is no failure.
  public static func disableIPv6(link: String) throws(Failure) {
    for (key, value) in [("accept_ra", "0"), ("disable_ipv6", "1")] {
      do throws(Failure) {
        try Files.write(value, into: "/proc/sys/net/ipv6/conf/\(link)/\(key)")
      } catch  where error.errno == ErrorNumber.noEntry {
        return
      }
    }
  }
}
