import CMnl

/// The rtnetlink requests (rtnetlink(7)) that minidock sends, each appended to a batch.
enum LinkMessages {
  private static let up: UInt32 = 1  // IFF_UP

  private static func link(index: Int32 = 0, flags: UInt32 = 0, change: UInt32 = 0) -> ifinfomsg {
    var info = ifinfomsg()
    info.ifi_index = index
    info.ifi_flags = flags
    info.ifi_change = change
    return info
  }

  /// Makes a bridge, down: no spanning tree and no forward delay, so that a port forwards at once,
  /// and an address of its own, so that it does not change to the lowest of its ports'.
  static func addBridge(
    _ name: String, mac: MACAddress, mtu: Int, group: UInt32, to batch: inout MessageBatch
  ) {
    batch.begin(type: RTM_NEWLINK, flags: NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK)
    batch.fixed(link())
    batch.put(IFLA_IFNAME, name)
    batch.put(IFLA_ADDRESS, mac.bytes)
    batch.put(IFLA_MTU, UInt32(mtu))
    batch.put(IFLA_GROUP, group)
    batch.nest(IFLA_LINKINFO) { info in
      info.put(IFLA_INFO_KIND, "bridge")
      info.nest(IFLA_INFO_DATA) { data in
        data.put(IFLA_BR_FORWARD_DELAY, UInt32(0))
        data.put(IFLA_BR_STP_STATE, UInt32(0))
      }
    }
  }

  /// Makes a veth pair: the host's end up and a port of the bridge with index `master`, the peer
  /// (down: the kernel refuses another way, ENOTCONN) directly in the namespace behind `netns`.
  ///
  /// Its link group is known from its first moment on: a port in it is silent until the packet rules
  /// know its addresses (`PortRules`).
  ///
  /// One queue each way: by default the kernel makes, and shows in sysfs, one per processor. The
  /// host's end never gets an IPv6 address, nor the work of finding out that no other has it: that
  /// must be said before it is up, and cannot be said at its creation.
  static func addVethPair(
    host: String, peer: String, peerMAC: MACAddress, netns: Int32, master: Int32, mtu: Int,
    group: UInt32, to batch: inout MessageBatch
  ) {
    batch.begin(type: RTM_NEWLINK, flags: NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK)
    batch.fixed(link())
    batch.put(IFLA_IFNAME, host)
    batch.put(IFLA_MTU, UInt32(mtu))
    batch.put(IFLA_MASTER, UInt32(bitPattern: master))
    batch.put(IFLA_GROUP, group)
    batch.put(IFLA_NUM_TX_QUEUES, UInt32(1))
    batch.put(IFLA_NUM_RX_QUEUES, UInt32(1))
    batch.nest(IFLA_LINKINFO) { info in
      info.put(IFLA_INFO_KIND, "veth")
      info.nest(IFLA_INFO_DATA) { data in
        data.nest(VETH_INFO_PEER) { end in
          end.fixed(link())
          end.put(IFLA_IFNAME, peer)
          end.put(IFLA_ADDRESS, peerMAC.bytes)
          end.put(IFLA_MTU, UInt32(mtu))
          end.put(IFLA_NUM_TX_QUEUES, UInt32(1))
          end.put(IFLA_NUM_RX_QUEUES, UInt32(1))
          end.put(IFLA_NET_NS_FD, UInt32(bitPattern: netns))
        }
      }
    }
    batch.begin(type: RTM_NEWLINK, flags: NLM_F_ACK)
    batch.fixed(link())
    batch.put(IFLA_IFNAME, host)
    batch.nest(IFLA_AF_SPEC) { families in
      families.nest(Int(AF_INET6)) {
        $0.put(IFLA_INET6_ADDR_GEN_MODE, UInt8(IN6_ADDR_GEN_MODE_NONE.rawValue))
      }
    }
    batch.begin(type: RTM_NEWLINK, flags: NLM_F_ACK)
    batch.fixed(link(flags: up, change: up))
    batch.put(IFLA_IFNAME, host)
  }

  /// Sets a link up.
  static func setUp(index: Int32, to batch: inout MessageBatch) {
    batch.begin(type: RTM_NEWLINK, flags: NLM_F_ACK)
    batch.fixed(link(index: index, flags: up, change: up))
  }

  /// Deletes a link by name.
  static func delete(_ name: String, to batch: inout MessageBatch) {
    batch.begin(type: RTM_DELLINK, flags: NLM_F_ACK)
    batch.fixed(link())
    batch.put(IFLA_IFNAME, name)
  }

  /// Asks for a link by name, without its statistics.
  static func get(_ name: String, to batch: inout MessageBatch) {
    get(index: 0, to: &batch)
    batch.put(IFLA_IFNAME, name)
  }

  /// Asks for a link by index, without its statistics.
  static func get(index: Int32, to batch: inout MessageBatch) {
    batch.begin(type: RTM_GETLINK, flags: NLM_F_ACK)
    batch.fixed(link(index: index))
    batch.put(IFLA_EXT_MASK, UInt32(RTEXT_FILTER_SKIP_STATS))
  }

  /// Gives a link an address with its network's broadcast address.
  static func addAddress(
    _ address: IPv4Address, in subnet: Subnet, index: Int32, to batch: inout MessageBatch
  ) {
    batch.begin(type: RTM_NEWADDR, flags: NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK)
    batch.fixed(addressInfo(index, subnet))
    batch.put(IFA_LOCAL, address)
    batch.put(IFA_ADDRESS, address)
    if subnet.length < 31 { batch.put(IFA_BROADCAST, subnet.last) }
  }

  /// Takes an address from a link.
  static func removeAddress(
    _ address: IPv4Address, in subnet: Subnet, index: Int32, to batch: inout MessageBatch
  ) {
    batch.begin(type: RTM_DELADDR, flags: NLM_F_ACK)
    batch.fixed(addressInfo(index, subnet))
    batch.put(IFA_LOCAL, address)
  }

  private static func addressInfo(_ index: Int32, _ subnet: Subnet) -> ifaddrmsg {
    var info = ifaddrmsg()
    info.ifa_family = UInt8(AF_INET)
    info.ifa_prefixlen = UInt8(subnet.length)
    info.ifa_scope = UInt8(RT_SCOPE_UNIVERSE.rawValue)
    info.ifa_index = UInt32(bitPattern: index)
    return info
  }

  /// Sets the default route by way of `gateway`.
  static func addDefaultRoute(
    gateway: IPv4Address, index: Int32, to batch: inout MessageBatch
  ) {
    batch.begin(type: RTM_NEWROUTE, flags: NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK)
    var route = rtmsg()
    route.rtm_family = UInt8(AF_INET)
    route.rtm_table = UInt8(RT_TABLE_MAIN.rawValue)
    route.rtm_protocol = UInt8(RTPROT_BOOT)
    route.rtm_scope = UInt8(RT_SCOPE_UNIVERSE.rawValue)
    route.rtm_type = UInt8(RTN_UNICAST)
    batch.fixed(route)
    batch.put(RTA_GATEWAY.code, gateway)
    batch.put(RTA_OIF.code, index)
  }

  /// Asks for the routing entry (not the route that follows from it) that a packet of this host to
  /// `destination` would take: answered without the kernel's global lock of links.
  static func findRoute(to destination: IPv4Address, to batch: inout MessageBatch) {
    batch.begin(type: RTM_GETROUTE, flags: NLM_F_ACK)
    var route = rtmsg()
    route.rtm_family = UInt8(AF_INET)
    route.rtm_dst_len = 32
    route.rtm_flags = UInt32(RTM_F_FIB_MATCH)
    batch.fixed(route)
    batch.put(RTA_DST.code, destination)
  }
}
