import CMnl

/// The rtnetlink requests for IPv6 and for links other than veth pairs.
extension LinkMessages {
  /// Gives a link an IPv6 address that counts as its own at once: minidock leases it to one link
  /// only, so nobody has to wait for the kernel to ask the neighbours (IFA_F_NODAD).
  static func addAddress(
    _ address: IPv6Address, length: Int, index: Int32, to batch: inout MessageBatch
  ) {
    batch.begin(type: RTM_NEWADDR, flags: NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK)
    var info = ifaddrmsg()
    info.ifa_family = UInt8(AF_INET6)
    info.ifa_prefixlen = UInt8(truncatingIfNeeded: length)
    info.ifa_flags = UInt8(IFA_F_NODAD)
    info.ifa_scope = UInt8(RT_SCOPE_UNIVERSE.rawValue)
    info.ifa_index = UInt32(bitPattern: index)
    batch.fixed(info)
    batch.put(IFA_LOCAL, address.octets)
    batch.put(IFA_ADDRESS, address.octets)
  }

  /// Sets the IPv6 default route by way of `gateway`, or straight to a link for nil.
  static func addDefaultRoute(
    gateway: IPv6Address?, index: Int32, to batch: inout MessageBatch
  ) {
    batch.begin(type: RTM_NEWROUTE, flags: NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK)
    batch.fixed(defaultRoute(family: AF_INET6, isDirect: gateway == nil))
    if let gateway { batch.put(RTA_GATEWAY.code, gateway.octets) }
    batch.put(RTA_OIF.code, index)
  }

  /// Sets the IPv4 default route straight to a link, as ipvlan's l3 mode has it: nobody answers
  /// ARP there.
  static func addDirectDefaultRoute(index: Int32, to batch: inout MessageBatch) {
    batch.begin(type: RTM_NEWROUTE, flags: NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK)
    batch.fixed(defaultRoute(family: AF_INET, isDirect: true))
    batch.put(RTA_OIF.code, index)
  }

  private static func defaultRoute(family: Int32, isDirect: Bool) -> rtmsg {
    var route = rtmsg()
    route.rtm_family = UInt8(family)
    route.rtm_table = UInt8(RT_TABLE_MAIN.rawValue)
    route.rtm_protocol = UInt8(RTPROT_BOOT)
    route.rtm_scope = UInt8(
      isDirect && family == AF_INET ? RT_SCOPE_LINK.rawValue : RT_SCOPE_UNIVERSE.rawValue)
    route.rtm_type = UInt8(RTN_UNICAST)
    return route
  }

  /// Makes a macvlan or ipvlan link on the link with index `parent`, down, directly in the
  /// namespace behind `netns`.
  ///
  /// - Parameter mac: nil for ipvlan, which has its parent's.
  static func addSlave(
    _ name: String, kind: String, mode: (type: Int, bytes: [UInt8]), mac: MACAddress?,
    parent: Int32, netns: Int32, mtu: Int, to batch: inout MessageBatch
  ) {
    batch.begin(type: RTM_NEWLINK, flags: NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK)
    batch.fixed(ifinfomsg())
    batch.put(IFLA_IFNAME, name)
    if let mac { batch.put(IFLA_ADDRESS, mac.bytes) }
    batch.put(IFLA_MTU, UInt32(mtu))
    batch.put(IFLA_LINK, UInt32(bitPattern: parent))
    batch.put(IFLA_NET_NS_FD, UInt32(bitPattern: netns))
    batch.nest(IFLA_LINKINFO) { info in
      info.put(IFLA_INFO_KIND, kind)
      info.nest(IFLA_INFO_DATA) { $0.put(mode.type, mode.bytes) }
    }
  }

  /// Makes a link that nothing is behind, down: the parent of a macvlan network without one.
  static func addDummy(_ name: String, mtu: Int, to batch: inout MessageBatch) {
    batch.begin(type: RTM_NEWLINK, flags: NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK)
    batch.fixed(ifinfomsg())
    batch.put(IFLA_IFNAME, name)
    batch.put(IFLA_MTU, UInt32(mtu))
    batch.nest(IFLA_LINKINFO) { $0.put(IFLA_INFO_KIND, "dummy") }
  }

  /// The attribute that sets a macvlan's or ipvlan's mode; nil for a mode that does not exist.
  static func mode(_ mode: String, of driver: NetworkRecord.Driver) -> (type: Int, bytes: [UInt8])?
  {
    func number<Number: FixedWidthInteger>(_ value: Number) -> [UInt8] {
      withUnsafeBytes(of: value, Array.init)
    }
    switch (driver, mode) {
    case (.macvlan, "bridge"):
      return (Int(IFLA_MACVLAN_MODE), number(UInt32(MACVLAN_MODE_BRIDGE.rawValue)))
    case (.macvlan, "private"):
      return (Int(IFLA_MACVLAN_MODE), number(UInt32(MACVLAN_MODE_PRIVATE.rawValue)))
    case (.macvlan, "vepa"):
      return (Int(IFLA_MACVLAN_MODE), number(UInt32(MACVLAN_MODE_VEPA.rawValue)))
    case (.macvlan, "passthru"):
      return (Int(IFLA_MACVLAN_MODE), number(UInt32(MACVLAN_MODE_PASSTHRU.rawValue)))
    case (.ipvlan, "l2"):
      return (Int(IFLA_IPVLAN_MODE), number(UInt16(IPVLAN_MODE_L2.rawValue)))
    case (.ipvlan, "l3"):
      return (Int(IFLA_IPVLAN_MODE), number(UInt16(IPVLAN_MODE_L3.rawValue)))
    case (.ipvlan, "l3s"):
      return (Int(IFLA_IPVLAN_MODE), number(UInt16(IPVLAN_MODE_L3S.rawValue)))
    default: return nil
    }
  }
}
