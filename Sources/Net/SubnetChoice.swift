import Linux

/// Which subnet a bridge network takes.
enum SubnetChoice {
  /// The networks that minidock chooses from, in this order: 10.88.0.0/16 to 10.127.0.0/16, then
  /// 172.20.0.0/16 to 172.31.0.0/16 (behind those docker takes first), then 192.168.208.0/20,
  /// 192.168.224.0/20 and 192.168.240.0/20.
  static let candidates: [Subnet] = {
    func subnet(_ a: UInt32, _ b: UInt32, _ c: UInt32, _ length: Int) -> Subnet {
      Subnet(containing: IPv4Address(value: a << 24 | b << 16 | c << 8), length: length)!
    }
    return (88...127).map { subnet(10, $0, 0, 16) } + (20...31).map { subnet(172, $0, 0, 16) }
      + [208, 224, 240].map { subnet(192, 168, $0, 20) }
  }()

  /// The first candidate, from the `start`-th on and round, that overlaps nothing in `taken`.
  ///
  /// - Throws: ``Failure/Code/refused`` when all do.
  static func choose(start: Int, taken: [Subnet], network: String) throws(Failure) -> Subnet {
    for offset in candidates.indices {
      let candidate = candidates[(start + offset) % candidates.count]
      if !taken.contains(where: { $0.overlaps(candidate) }) { return candidate }
    }
    throw Failure(
      .refused, "choose subnet", network,
      reason:
        "the host's routes and addresses overlap all of minidock's \(candidates.count) candidates",
      remedy: "remove a route, or use --network host or none")
  }

  /// What is taken on the host, seen from the link with index `own`: the networks of the addresses
  /// and routes of all other links.
  ///
  /// Routes of at most 7 bits count as default routes: VPNs write theirs as two or more halves.
  static func taken(
    addresses: [LinkAddress], routes: [Route], own: Int32?
  ) -> [Subnet] {
    addresses.filter { $0.index != own && !$0.address.isLoopback }.map(\.subnet)
      + routes.filter { ($0.index != own || own == nil) && $0.destination.length > 7 }
      .map(\.destination)
  }
}
