import Linux
import Net

/// Ports of the host that a container has: each is held by a listening socket of its monitor, so that no
/// other program can take it, and whoever wants it is told so at once. No packet gets as far as such a
/// socket, as the packet rules send it to the container first; but for what the host's own programs send
/// to [::1], which `LoopbackRelay` carries on.
final class PortReservations {
  /// The ports, in the order of the requests.
  private(set) var ports: [PublishedPort] = []
  /// The sockets; none where the kernel has no sockets of a protocol (SCTP).
  private(set) var sockets: [Int32] = []

  init() {}

  /// Takes over what another program of this process has held.
  init(ports: [PublishedPort], sockets: [Int32]) {
    self.ports = ports
    self.sockets = sockets
  }

  deinit { for socket in sockets { ThisProcess.close(socket) } }

  /// Reserves a port of the host for each request.
  ///
  /// - Parameters:
  ///   - hasIPv6: whether the container has an IPv6 address, to which ports of the host's IPv6 addresses
  ///     can lead.
  ///   - owner: who has a port, for the error.
  /// - Throws: ``Failure/Code/inUse`` when a port is taken; ``Failure/Code/invalid`` when an address is
  ///   none of the host's, or an IPv6 one of a container without IPv6.
  static func reserve(
    _ requests: [PortRequest], defaultAddress: PublishedPort.HostAddress?, hasIPv6: Bool,
    owner: (Int32) -> String?
  ) throws(Failure) -> PortReservations {
    let result = PortReservations()
    for request in requests {
      var addresses: [PublishedPort.HostAddress] = [.v4(IPv4Address(value: 0))]
      if let address = request.address ?? defaultAddress {
        addresses = [address]
      } else if hasIPv6 {
        addresses.append(.v6(.unspecified))
      }
      if !hasIPv6, case .v6(let address) = addresses[0] {
        throw Failure(
          .invalid, "publish port", "[\(address)]:\(request.key)",
          reason: "the container has no IPv6 address",
          remedy: "connect it to a network made with --ipv6, or publish on an IPv4 address")
      }
      try result.add(request, addresses, owner)
    }
    return result
  }

  private func add(
    _ request: PortRequest, _ addresses: [PublishedPort.HostAddress], _ owner: (Int32) -> String?
  ) throws(Failure) {
    let candidates = request.hostPorts.map { Array($0) } ?? Array(repeating: 0, count: 20)
    for candidate in candidates {
      do throws(Failure) {
        return try hold(candidate, request, addresses)
      } catch  where error.errno == ErrorNumber.addressInUse {
        continue
      } catch  where error.errno == ErrorNumber.addressNotAvailable {
        throw Failure(
          .invalid, "publish port", "\(addresses[0]):\(request.key)",
          reason: "\(addresses[0]) is no address of this host")
      }
    }
    throw PortReservations.conflict(request, addresses[0], owner)
  }

  /// Holds one port on all addresses, or nothing.
  private func hold(
    _ port: UInt16, _ request: PortRequest, _ addresses: [PublishedPort.HostAddress]
  ) throws(Failure) {
    var port = port
    var taken: [Int32] = []
    func take(_ address: PublishedPort.HostAddress) throws(Failure) {
      guard
        let socket = try InternetSocket.reserving(
          address: address.description, port: port, transport: Int32(request.transport.number))
      else { return }
      if port == 0 { port = socket.port }
      taken.append(socket.release())
    }
    for address in addresses + PortReservations.relayed(request, addresses) {
      do throws(Failure) { try take(address) } catch {
        // A host without IPv6 has no [::1].
        if address == .v6(.loopback), !addresses.contains(address),
          error.errno == ErrorNumber.addressNotAvailable
        {
          continue
        }
        for socket in taken { ThisProcess.close(socket) }
        throw error
      }
    }
    guard port != 0 else {
      throw Failure(
        .refused, "publish port", request.key,
        reason: "this kernel has no \(request.transport.rawValue) sockets to find a free port with",
        remedy: "name the host's port: -p HOSTPORT:\(request.key)")
    }
    sockets += taken
    ports += addresses.map {
      PublishedPort(
        address: $0, hostPort: port, containerPort: request.containerPort,
        transport: request.transport)
    }
  }

  /// Where a container without IPv6 is reached besides: `localhost` is [::1] first.
  private static func relayed(
    _ request: PortRequest, _ addresses: [PublishedPort.HostAddress]
  ) -> [PublishedPort.HostAddress] {
    let isEverywhere = request.address == nil && addresses == [.v4(IPv4Address(value: 0))]
    return isEverywhere && request.transport != .sctp ? [.v6(.loopback)] : []
  }

  private static func conflict(
    _ request: PortRequest, _ address: PublishedPort.HostAddress,
    _ owner: (Int32) -> String?
  ) -> Failure {
    guard let range = request.hostPorts else {
      return Failure(
        .inUse, "publish port", request.key, reason: "the host has no free port left")
    }
    let transport = request.transport.rawValue
    guard range.count == 1 else {
      return Failure(
        .inUse, "publish port", "\(address):\(range.lowerBound)-\(range.upperBound)/\(transport)",
        reason: "all \(range.count) ports are taken")
    }
    let holder = PortOwner.find(port: range.lowerBound, transport: request.transport)
    let who = holder.map { found in
      owner(found.pid).map { "container \($0) has it (process \(found.pid))" }
        ?? "process \(found.pid) (\(found.name)) has it"
    }
    return Failure(
      .inUse, "publish port", "\(address):\(range.lowerBound)/\(transport)",
      reason: who ?? "another program has it",
      remedy: "stop that, or publish another port of the host")
  }
}

/// Which process has a port of the host.
enum PortOwner {
  /// A process with a socket bound to the port; nil when none is found, or it is another network
  /// namespace's.
  static func find(
    port: UInt16, transport: TransportProtocol
  ) -> (pid: Int32, name: String)? {
    guard transport != .sctp else { return nil }
    var inodes: [String] = []
    for suffix in ["", "6"] {
      guard let bytes = (try? Files.read("/proc/net/\(transport.rawValue)\(suffix)")) ?? nil else {
        continue
      }
      for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n").dropFirst() {
        let words = line.split(separator: " ")
        // sl, local address, remote, state, …; of a TCP connection only the listener counts.
        guard words.count > 9, let colon = words[1].lastIndex(of: ":"),
          UInt16(words[1][words[1].index(after: colon)...], radix: 16) == port,
          transport == .udp || words[3] == "0A"
        else { continue }
        inodes.append("socket:[\(words[9])]")
      }
    }
    guard !inodes.isEmpty else { return nil }
    for entry in (try? Files.list("/proc")) ?? [] {
      guard let pid = Int32(entry) else { continue }
      for number in (try? Files.list("/proc/\(pid)/fd")) ?? [] {
        guard let target = SymbolicLinks.read("/proc/\(pid)/fd/\(number)"), inodes.contains(target)
        else { continue }
        return (pid, Files.text("/proc/\(pid)/comm") ?? "?")
      }
    }
    return nil
  }
}
