import Linux

/// A FORWARD policy of iptables-legacy, such as that of a docker on a host of that kind.
///
/// Such rules have no transactions that the kernel counts, so each look reads what there is, which costs
/// one small file where nobody uses them; what was told last is remembered. They are replaced as a whole
/// only, without a word from whoever had read them before, so that minidock changes nothing there.
extension Firewall {
  /// What the user is to be told that was not told before; nil when nothing is in the way.
  func legacyNotice() throws(Failure) -> String? {
    let bridge = legacyRefusal()
    let told = Files.text(records.legacyTold)
    guard bridge != told else { return nil }
    guard let bridge else {
      try Files.remove(records.legacyTold)
      return nil
    }
    try Files.replace(records.legacyTold, with: Array(bridge.utf8))
    let rule = "iptables-legacy -I FORWARD -m devgroup"
    return "containers on \(bridge) reach nothing outside: the packet rules of another program "
      + "(iptables-legacy, chain FORWARD) refuse what they do not name; to let them out: "
      + "\(rule) --src-group \(ForwardBarriers.group) -j ACCEPT and "
      + "\(rule) --dst-group \(ForwardBarriers.group) -j ACCEPT"
  }

  /// A bridge that the rules refuse, as they neither name it nor the link group of all bridges.
  private func legacyRefusal() -> String? {
    guard let forwarding = (try? LegacyTables.forwarding()) ?? nil, forwarding.refuses else {
      return nil
    }
    let group = withUnsafeBytes(of: HostRules.linkGroup) { [UInt8]($0) }
    if contains(forwarding.entries, Array("devgroup".utf8)), contains(forwarding.entries, group) {
      return nil
    }
    return records.networks().first { network in
      !network.isInternal && !contains(forwarding.entries, Array(network.bridge.utf8) + [0])
    }?.bridge
  }

  private func contains(_ bytes: [UInt8], _ part: [UInt8]) -> Bool {
    bytes.indices.contains { bytes[$0...].starts(with: part) }
  }
}

extension Firewall.Repair {
  /// The same with further words for the user.
  func saying(_ more: String?) -> Firewall.Repair {
    guard let more else { return self }
    return Firewall.Repair(notice: notice.map { "\($0); \(more)" } ?? more)
  }
}
