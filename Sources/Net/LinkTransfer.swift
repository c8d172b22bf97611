import CMnl
import Linux

/// Moving a link of this process's network namespace into another one: `linux.netDevices` of a bundle.
public enum LinkTransfer {
  /// Moves a link and sets it up there with the permanent addresses of global scope that it had; its
  /// hardware address and MTU stay what they are (runtime-spec, "Network Devices").
  ///
  /// When the namespace ends, the kernel gives hardware back to the host and deletes everything else.
  ///
  /// - Parameters:
  ///   - newName: its name there; the kernel puts the first free number in place of "%d".
  ///   - namespace: an open /proc/PID/ns/net.
  /// - Throws: ENODEV when there is no such link, EEXIST when the name is taken there.
  public static func move(
    _ name: String, as newName: String, into namespace: Int32
  ) throws(Failure) {
    var host = try NetlinkSocket.route()
    guard let link = try host.link(named: name) else {
      throw Failure(errno: ErrorNumber.noDevice, "move link", name)
    }
    let addresses = try host.permanentAddresses(of: link.index)
    var inside = try NetlinkSocket.open(inNamespaceOf: namespace)
    let before = Set(try inside.links().map(\.name))
    guard !before.contains(newName) else {
      throw Failure(
        errno: ErrorNumber.exists, "move link", name,
        reason: "the container has a link \(newName) already")
    }
    var batch = MessageBatch(capacity: 256)
    LinkMessages.move(index: link.index, as: newName, into: namespace, to: &batch)
    try host.exchange(&batch, "move link", name)
    guard let moved = try inside.links().first(where: { !before.contains($0.name) }) else {
      throw Failure(.system, "move link", name, reason: "it did not arrive")
    }
    var settings = MessageBatch(capacity: 1024)
    for address in addresses { address.add(to: moved.index, &settings) }
    LinkMessages.setUp(index: moved.index, to: &settings)
    try inside.exchange(&settings, "set up", moved.name, tolerated: [ErrorNumber.exists])
  }
}

/// An address as the kernel describes it, to be given to a link once more.
private struct PermanentAddress {
  var info: ifaddrmsg
  var attributes: [(type: Int, payload: [UInt8])]

  init?(_ reply: NetlinkReply, of index: Int32) {
    guard reply.type == UInt16(RTM_NEWADDR), let info = reply.fixed(ifaddrmsg.self),
      info.ifa_index == UInt32(bitPattern: index),
      info.ifa_scope == UInt8(RT_SCOPE_UNIVERSE.rawValue),
      UInt32(info.ifa_flags) & UInt32(IFA_F_PERMANENT) != 0
    else { return nil }
    self.info = info
    let found = reply.attributes(after: ifaddrmsg.self)
    attributes = [IFA_ADDRESS, IFA_LOCAL, IFA_BROADCAST].compactMap { type in
      found[type].map { (type, Array($0)) }
    }
  }

  func add(to index: Int32, _ batch: inout MessageBatch) {
    batch.begin(type: RTM_NEWADDR, flags: NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK)
    var info = info
    info.ifa_index = UInt32(bitPattern: index)
    info.ifa_flags = 0
    batch.fixed(info)
    for attribute in attributes { batch.put(attribute.type, attribute.payload) }
  }
}

extension NetlinkConnection where Transport: ~Copyable {
  fileprivate mutating func permanentAddresses(
    of index: Int32
  ) throws(Failure) -> [PermanentAddress] {
    try dump("list addresses") { batch in
      batch.begin(type: RTM_GETADDR, flags: NLM_F_DUMP)
      batch.fixed(ifaddrmsg())
    }.compactMap { PermanentAddress($0, of: index) }
  }
}

extension LinkMessages {
  /// Moves a link, which goes down by that, and renames it there.
  static func move(
    index: Int32, as name: String, into namespace: Int32, to batch: inout MessageBatch
  ) {
    batch.begin(type: RTM_NEWLINK, flags: NLM_F_ACK)
    var info = ifinfomsg()
    info.ifi_index = index
    info.ifi_change = 1  // IFF_UP
    batch.fixed(info)
    batch.put(IFLA_NET_NS_FD, UInt32(bitPattern: namespace))
    batch.put(IFLA_IFNAME, name)
  }
}
