import Linux

/// The addresses that a lease book gives out: numbered from 0, most of them free.
struct LeasePool {
  /// The network's name or subnet, for messages.
  let name: String
  /// How many numbers there are.
  let count: UInt64
  /// How many of them are addresses that an owner can have.
  let usable: UInt64
  /// Where a search begins instead of a place of the owner's own; nil for that.
  let start: UInt64?
  /// The address of a number; nil for one that nobody can have (the gateway's).
  let address: (UInt64) -> String?
  /// Whether an owner can have this address, by the search or because it is asked for.
  let isValid: (String) -> Bool

  /// A network's IPv4 addresses: all but base, broadcast and gateway, or those of a range in it.
  init(_ subnet: Subnet, range: Subnet? = nil, gateway: IPv4Address? = nil) {
    let gateway = gateway ?? subnet.gateway
    let first = max(range?.base.value ?? 0, subnet.base.value &+ 1)
    let last = min(range?.last.value ?? UInt32.max, subnet.last.value &- 1)
    let isEmpty = subnet.length > 30 || last < first
    name = "\(range ?? subnet)"
    count = isEmpty ? 0 : UInt64(last - first) + 1
    usable = count > 0 && first <= gateway.value && gateway.value <= last ? count - 1 : count
    start = nil
    address = { number in
      let address = IPv4Address(value: first + UInt32(number))
      return address == gateway ? nil : "\(address)"
    }
    isValid = { text in
      guard subnet.length <= 30, let address = IPv4Address(text), subnet.contains(address) else {
        return false
      }
      return address > subnet.base && address < subnet.last && address != gateway
    }
  }

  /// A network's IPv6 addresses, beginning with the one that has the owner's IPv4 address's number.
  init(_ subnet: Subnet6, gateway: IPv6Address, beside number: UInt32) {
    name = "\(subnet)"
    count = subnet.leasable
    usable = count > 0 ? count - 1 : 0
    start = UInt64(number) == 0 ? nil : UInt64(number) - 1
    address = { number in
      let address = subnet.base.advanced(by: number + 1)
      return address == gateway ? nil : "\(address)"
    }
    isValid = { text in
      guard let address = IPv6Address(text) else { return false }
      return subnet.contains(address) && address != subnet.base && address != gateway
    }
  }
}
