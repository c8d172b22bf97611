import CMnl
import Linux

/// A link as the kernel describes it.
struct Link: Sendable, Equatable {
  let index: Int32
  let name: String
  let isUp: Bool
  let mtu: Int
  /// "bridge", "veth", …; empty for hardware.
  let kind: String
  let group: UInt32
}

/// An address of a link.
struct LinkAddress: Sendable, Equatable {
  let index: Int32
  let address: IPv4Address
  let subnet: Subnet
}

/// A unicast route.
struct Route: Sendable, Equatable {
  let destination: Subnet
  /// 0 where the route has several or no links.
  let index: Int32
  /// The source address that it prefers.
  let source: IPv4Address?
}

extension NetlinkConnection where Transport: ~Copyable {
  /// The link of a name; nil when there is none.
  mutating func link(named name: String) throws(Failure) -> Link? {
    var batch = MessageBatch(capacity: 256)
    LinkMessages.get(name, to: &batch)
    let replies = try exchange(&batch, "look up link", name, tolerated: [ErrorNumber.noDevice])
    return replies.first.flatMap(Link.init)
  }

  /// The link of an index; nil when there is none.
  mutating func link(index: Int32) throws(Failure) -> Link? {
    var batch = MessageBatch(capacity: 256)
    LinkMessages.get(index: index, to: &batch)
    let replies = try exchange(
      &batch, "look up link", "\(index)", tolerated: [ErrorNumber.noDevice])
    return replies.first.flatMap(Link.init)
  }

  /// All links of the namespace.
  mutating func links() throws(Failure) -> [Link] {
    try dump("list links") { batch in
      batch.begin(type: RTM_GETLINK, flags: NLM_F_DUMP)
      batch.fixed(ifinfomsg())
      batch.put(IFLA_EXT_MASK, UInt32(RTEXT_FILTER_SKIP_STATS))
    }.compactMap(Link.init)
  }

  /// All IPv4 addresses of the namespace.
  mutating func addresses() throws(Failure) -> [LinkAddress] {
    try dump("list addresses") { batch in
      batch.begin(type: RTM_GETADDR, flags: NLM_F_DUMP)
      var info = ifaddrmsg()
      info.ifa_family = UInt8(AF_INET)
      batch.fixed(info)
    }.compactMap(LinkAddress.init)
  }

  /// All IPv4 unicast routes of the namespace, of every table.
  mutating func routes() throws(Failure) -> [Route] {
    try dump("list routes") { batch in
      batch.begin(type: RTM_GETROUTE, flags: NLM_F_DUMP)
      var info = rtmsg()
      info.rtm_family = UInt8(AF_INET)
      batch.fixed(info)
    }.compactMap(Route.init)
  }
}

extension Link {
  init?(_ reply: NetlinkReply) {
    guard reply.type == UInt16(RTM_NEWLINK), let info = reply.fixed(ifinfomsg.self) else {
      return nil
    }
    let attributes = reply.attributes(after: ifinfomsg.self)
    index = info.ifi_index
    isUp = info.ifi_flags & 1 != 0
    name = attributes.text(IFLA_IFNAME) ?? ""
    mtu = Int(attributes.number(IFLA_MTU) ?? 0)
    group = attributes.number(IFLA_GROUP) ?? 0
    kind = attributes.nest(IFLA_LINKINFO)?.text(IFLA_INFO_KIND) ?? ""
  }
}

extension LinkAddress {
  init?(_ reply: NetlinkReply) {
    guard reply.type == UInt16(RTM_NEWADDR), let info = reply.fixed(ifaddrmsg.self) else {
      return nil
    }
    let attributes = reply.attributes(after: ifaddrmsg.self)
    // On a point-to-point link IFA_ADDRESS is the other end and IFA_LOCAL this one.
    guard let peer = attributes.address(IFA_ADDRESS),
      let subnet = Subnet(containing: peer, length: Int(info.ifa_prefixlen))
    else { return nil }
    index = Int32(bitPattern: info.ifa_index)
    address = attributes.address(IFA_LOCAL) ?? peer
    self.subnet = subnet
  }
}

extension Route {
  init?(_ reply: NetlinkReply) {
    guard reply.type == UInt16(RTM_NEWROUTE), let info = reply.fixed(rtmsg.self),
      Int(info.rtm_type) == RTN_UNICAST
    else { return nil }
    let attributes = reply.attributes(after: rtmsg.self)
    let base = attributes.address(RTA_DST.code) ?? IPv4Address(value: 0)
    guard let subnet = Subnet(containing: base, length: Int(info.rtm_dst_len)) else { return nil }
    destination = subnet
    index = Int32(bitPattern: attributes.number(RTA_OIF.code) ?? 0)
    source = attributes.address(RTA_PREFSRC.code)
  }
}
