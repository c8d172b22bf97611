import Linux

/// One `--add-host` entry.
public struct ExtraHost: Sendable, Equatable {
  /// The name.
  public let name: String
  /// An IPv4 or IPv6 address, or "host-gateway" for the address by which a container reaches the
  /// host.
  public let address: String

  /// Parses "NAME:ADDRESS" or "NAME=ADDRESS", as docker does; an IPv6 address may be in brackets.
  ///
  /// - Throws: ``Failure/Code/invalid``, also for a name that would break the file's lines apart.
  public init(parsing text: String) throws(Failure) {
    let mark = text.firstIndex(of: "=") ?? text.firstIndex(of: ":")
    func malformed(_ reason: String) -> Failure {
      Failure(
        .invalid, "add host", text, reason: reason, remedy: "write it as NAME:ADDRESS")
    }
    guard let mark else { throw malformed("no address") }
    let name = String(text[..<mark])
    var address = String(text[text.index(after: mark)...])
    if address.hasPrefix("["), address.hasSuffix("]") {
      address = String(address.dropFirst().dropLast())
    }
    guard HostsFiles.isWord(name), !name.contains(":") else { throw malformed("not a host name") }
    guard
      address == "host-gateway" || InternetAddress.isIPv4(address)
        || InternetAddress.isIPv6(address)
    else { throw malformed("\"\(address)\" is not an IP address") }
    self.name = name
    self.address = address
  }
}

/// The files by which a container knows names: contents only, for a caller to put them in place.
public enum HostsFiles {
  /// The content of /etc/hostname.
  ///
  /// - Throws: ``Failure/Code/invalid`` for a name that would break the file's line apart.
  public static func hostname(_ name: String) throws(Failure) -> [UInt8] {
    guard isWord(name) else {
      throw Failure(.invalid, "use hostname", name, reason: "empty or more than one word")
    }
    return Array((name + "\n").utf8)
  }

  /// As ``hosts(hostname:addresses:extra:gateway:)`` for one address or none.
  static func hosts(
    hostname: String, address: IPv4Address?, extra: [ExtraHost] = [], gateway: IPv4Address?
  ) throws(Failure) -> [UInt8] {
    try hosts(
      hostname: hostname, addresses: address.map { ["\($0)"] } ?? [], extra: extra,
      gateway: gateway)
  }

  /// The content of /etc/hosts: docker's fixed lines, the extra hosts, and the container itself.
  ///
  /// - Parameter addresses: the container's, none with `--network none`.
  /// - Parameter gateway: what "host-gateway" stands for.
  /// - Throws: ``Failure/Code/invalid`` for "host-gateway" without a gateway.
  public static func hosts(
    hostname: String, addresses: [String], extra: [ExtraHost] = [], gateway: IPv4Address?
  ) throws(Failure) -> [UInt8] {
    _ = try Self.hostname(hostname)
    var text = """
      127.0.0.1\tlocalhost
      ::1\tlocalhost ip6-localhost ip6-loopback
      fe00::\tip6-localnet
      ff00::\tip6-mcastprefix
      ff02::1\tip6-allnodes
      ff02::2\tip6-allrouters

      """
    text += try lines(extra, gateway: gateway)
    for address in addresses {
      // The full name first, as the canonical one (hosts(5)), then the name without its domain.
      let short = hostname.prefix { $0 != "." }
      let names = short.count == hostname.count ? hostname : "\(hostname) \(short)"
      text += "\(address)\t\(names)\n"
    }
    return Array(text.utf8)
  }

  /// The content of /etc/hosts for a container in the host's network: the host's file and the extra
  /// hosts.
  public static func hosts(
    ofHost content: [UInt8], extra: [ExtraHost]
  ) throws(Failure) -> [UInt8] {
    guard !extra.isEmpty else { return content }
    var result = content
    if let last = content.last, last != UInt8(ascii: "\n") { result.append(UInt8(ascii: "\n")) }
    // In the host's own network the host is at its loopback address.
    let loopback = IPv4Address(value: 127 << 24 | 1)
    return result + Array(try lines(extra, gateway: loopback).utf8)
  }

  private static func lines(
    _ extra: [ExtraHost], gateway: IPv4Address?
  ) throws(Failure) -> String {
    var text = ""
    for host in extra {
      var address = host.address
      if address == "host-gateway" {
        guard let gateway else {
          throw Failure(
            .invalid, "add host", "\(host.name):host-gateway",
            reason: "a container without a network does not reach the host")
        }
        address = "\(gateway)"
      }
      text += "\(address)\t\(host.name)\n"
    }
    return text
  }

  /// Whether `text` is one word of a configuration file: printable ASCII without space or "#".
  static func isWord(_ text: String) -> Bool {
    !text.isEmpty && text.utf8.allSatisfy { $0 > 32 && $0 < 127 && $0 != UInt8(ascii: "#") }
  }
}
