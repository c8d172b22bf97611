import Linux
import Net

/// Published ports in docker's words.
public enum PortTexts {
  /// "0.0.0.0:8080", "[::]:8080".
  public static func host(_ port: PublishedPort) -> String { "\(address(port)):\(port.hostPort)" }

  private static func address(_ port: PublishedPort) -> String {
    switch port.address {
    case .v4(let address): "\(address)"
    case .v6(let address): "[\(address)]"
    }
  }

  /// The PORTS column of `ps`: "0.0.0.0:8080->80/tcp, 443/tcp", neighbouring ports as ranges.
  ///
  /// - Parameter exposed: "443/tcp" of each port that the image or `--expose` names.
  public static func column(_ ports: [PublishedPort], exposed: [String]) -> String {
    var texts: [String] = []
    let sorted = ports.sorted { order($0) < order($1) }
    var index = 0
    while index < sorted.count {
      let first = sorted[index]
      var last = first
      while index + 1 < sorted.count, continues(sorted[index + 1], last) {
        index += 1
        last = sorted[index]
      }
      index += 1
      texts.append(
        "\(address(first)):\(range(first.hostPort, last.hostPort))->"
          + "\(range(first.containerPort, last.containerPort))/\(first.transport.rawValue)")
    }
    let published = Set(ports.map { "\($0.containerPort)/\($0.transport.rawValue)" })
    let plain = exposed.filter { !published.contains($0) }.compactMap { text in
      text.split(separator: "/").first.flatMap { UInt16($0) }.map { ($0, text) }
    }
    return (texts + plain.sorted { $0.0 < $1.0 }.map(\.1)).joined(separator: ", ")
  }

  private static func order(_ port: PublishedPort) -> (String, String, UInt16, UInt16) {
    var family = "4"
    if case .v6 = port.address { family = "6" }
    return (family + address(port), port.transport.rawValue, port.containerPort, port.hostPort)
  }

  private static func continues(_ next: PublishedPort, _ last: PublishedPort) -> Bool {
    next.address == last.address && next.transport == last.transport
      && Int(next.containerPort) == Int(last.containerPort) + 1
      && Int(next.hostPort) == Int(last.hostPort) + 1
  }

  private static func range(_ first: UInt16, _ last: UInt16) -> String {
    first == last ? "\(first)" : "\(first)-\(last)"
  }

  /// inspect's NetworkSettings.Ports: `{"80/tcp": [{"HostIp": …, "HostPort": …}], "443/tcp": null}`.
  public static func document(_ ports: [PublishedPort], exposed: [String]) -> JSONValue {
    var keys = exposed
    for port in ports where !keys.contains(key(port)) { keys.append(key(port)) }
    return .object(
      keys.map { key in
        let own = ports.filter { PortTexts.key($0) == key }
        let list = own.map { port -> JSONValue in
          binding(port.address.description, String(port.hostPort))
        }
        return (key, list.isEmpty ? .null : .array(list))
      })
  }

  /// inspect's HostConfig.PortBindings: what was asked for.
  public static func document(_ requests: [PortRequest]) -> JSONValue {
    var keys: [String] = []
    for request in requests where !keys.contains(request.key) { keys.append(request.key) }
    return .object(
      keys.map { key in
        let own = requests.filter { $0.key == key }
        return (
          key,
          .array(
            own.map { request in
              let ports = request.hostPorts.map { range($0.lowerBound, $0.upperBound) } ?? ""
              return binding(request.address?.description ?? "", ports)
            })
        )
      })
  }

  private static func binding(_ address: String, _ port: String) -> JSONValue {
    .object([("HostIp", .string(address)), ("HostPort", .string(port))])
  }

  /// "80/tcp".
  public static func key(_ port: PublishedPort) -> String {
    "\(port.containerPort)/\(port.transport.rawValue)"
  }
}
