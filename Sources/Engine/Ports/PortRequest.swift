import Linux
import Net

/// One port of a container that is to be reached by the host: `-p` asks for one or a range of them.
public struct PortRequest: Sendable, Equatable {
  /// The host's address; nil is all of them, or what `--publish-default` says.
  public var address: PublishedPort.HostAddress?
  /// The host's ports, the first free one of which is taken; nil takes any free port.
  public var hostPorts: ClosedRange<UInt16>?
  /// The container's port.
  public var containerPort: UInt16
  /// The protocol.
  public var transport: TransportProtocol

  /// A request.
  public init(
    address: PublishedPort.HostAddress? = nil, hostPorts: ClosedRange<UInt16>? = nil,
    containerPort: UInt16, transport: TransportProtocol = .tcp
  ) {
    self.address = address
    self.hostPorts = hostPorts
    self.containerPort = containerPort
    self.transport = transport
  }

  /// "80/tcp".
  public var key: String { "\(containerPort)/\(transport.rawValue)" }

  /// Parses docker's `[ip:][hostPort[-range]:]containerPort[-range][/tcp|udp|sctp]`; an IPv6 address
  /// stands in brackets.
  ///
  /// - Throws: ``Failure/Code/invalid`` naming the part that is wrong.
  public static func parse(publish text: String) throws(Failure) -> [PortRequest] {
    let flag = "--publish=\(text)"
    let (body, transport) = try splitTransport(text, flag)
    var rest = body
    var address: PublishedPort.HostAddress?
    if rest.hasPrefix("[") {
      guard let end = rest.firstIndex(of: "]") else {
        throw wrong(flag, "'[' is not closed by ']'")
      }
      let inner = rest[rest.index(after: rest.startIndex)..<end]
      guard let parsed = IPv6Address(inner) else {
        throw wrong(flag, "'\(inner)' in brackets is not an IPv6 address")
      }
      address = .v6(parsed)
      rest = rest[rest.index(after: end)...]
      guard rest.first == ":" else { throw wrong(flag, "no port follows the address") }
      rest.removeFirst()
    }
    var parts = rest.split(separator: ":", omittingEmptySubsequences: false)
    if parts.count == 3, address == nil {
      let first = parts.removeFirst()
      if !first.isEmpty {
        guard let parsed = IPv4Address(first) else {
          throw wrong(flag, "'\(first)' is not an IP address of the host")
        }
        address = .v4(parsed)
      }
    } else if parts.count > 2 {
      throw wrong(
        flag, address == nil ? "an IPv6 address needs brackets" : "it has more than two ports")
    }
    let container = try range(parts.last!, "container port", flag)
    var host: ClosedRange<UInt16>?
    if parts.count == 2, !parts[0].isEmpty, parts[0] != "0" {
      host = try range(parts[0], "host port", flag)
    } else if address != nil && parts.count < 2 {
      throw wrong(flag, "no container port follows '\(parts[0])'")
    }
    return try requests(address, host, container, transport, flag)
  }

  private static func requests(
    _ address: PublishedPort.HostAddress?, _ host: ClosedRange<UInt16>?,
    _ container: ClosedRange<UInt16>, _ transport: TransportProtocol, _ flag: String
  ) throws(Failure) -> [PortRequest] {
    if let host, container.count > 1 && host.count != container.count {
      throw wrong(
        flag,
        "\(host.count) host port\(host.count == 1 ? "" : "s") cannot lead to "
          + "\(container.count) container ports")
    }
    return container.enumerated().map { offset, port in
      var own = host
      if let host, container.count > 1 {
        let single = host.lowerBound + UInt16(offset)
        own = single...single
      }
      return PortRequest(
        address: address, hostPorts: own, containerPort: port, transport: transport)
    }
  }

  /// Parses `--expose`: `port[-range][/tcp|udp|sctp]`, as "80/tcp" each.
  public static func parse(expose text: String) throws(Failure) -> [String] {
    let flag = "--expose=\(text)"
    let (body, transport) = try splitTransport(text, flag)
    return try range(body, "port", flag).map { "\($0)/\(transport.rawValue)" }
  }

  private static func splitTransport(
    _ text: String, _ flag: String
  ) throws(Failure) -> (Substring, TransportProtocol) {
    guard let slash = text.lastIndex(of: "/") else { return (text[...], .tcp) }
    let word = text[text.index(after: slash)...].lowercased()
    guard let transport = TransportProtocol(rawValue: word) else {
      throw wrong(flag, "'\(word)' is not tcp, udp or sctp")
    }
    return (text[..<slash], transport)
  }

  private static func range(
    _ text: Substring, _ what: String, _ flag: String
  ) throws(Failure) -> ClosedRange<UInt16> {
    let ends = text.split(separator: "-", omittingEmptySubsequences: false)
    func port(_ text: Substring) throws(Failure) -> UInt16 {
      guard !text.isEmpty, text.utf8.allSatisfy({ (48...57).contains($0) }),
        let port = UInt16(text), port > 0
      else {
        throw wrong(
          flag, text.isEmpty ? "the \(what) is missing" : "\(what) '\(text)' is not 1 to 65535")
      }
      return port
    }
    guard ends.count <= 2, let first = ends.first else {
      throw wrong(flag, "\(what) '\(text)' is no range")
    }
    let low = try port(first)
    guard ends.count == 2 else { return low...low }
    let high = try port(ends[1])
    guard low <= high else { throw wrong(flag, "\(what) range '\(text)' runs backwards") }
    return low...high
  }

  /// Parses `--publish-default`, an address of the host.
  public static func parse(
    defaultAddress text: String, flag: String = "--publish-default"
  ) throws(Failure) -> PublishedPort.HostAddress {
    let bare = text.hasPrefix("[") && text.hasSuffix("]") ? text.dropFirst().dropLast() : text[...]
    guard let address = PublishedPort.HostAddress(bare) else {
      throw wrong("\(flag)=\(text)", "it is not an IP address")
    }
    return address
  }

  private static func wrong(_ flag: String, _ reason: String) -> Failure {
    Failure(
      .invalid, "parse", flag, reason: reason,
      remedy: "write [IP:][HOSTPORT:]PORT[/tcp|udp|sctp]")
  }
}

extension PortRequest {
  /// As a file's field: "0.0.0.0 8080 8080 80 tcp", "-" for what was not said.
  var field: String {
    let host = hostPorts.map { "\($0.lowerBound) \($0.upperBound)" } ?? "- -"
    return "\(address?.description ?? "-") \(host) \(containerPort) \(transport.rawValue)"
  }

  init?(field: String) {
    let words = field.split(separator: " ")
    guard words.count == 5, let port = UInt16(words[3]),
      let transport = TransportProtocol(rawValue: String(words[4]))
    else { return nil }
    self.init(
      address: PublishedPort.HostAddress(words[0]), containerPort: port, transport: transport)
    if let low = UInt16(words[1]), let high = UInt16(words[2]), low <= high {
      hostPorts = low...high
    }
  }
}
