import Linux

/// An http or https address, taken apart: who gets a request, and what is asked for.
struct WebAddress: Sendable, Equatable, CustomStringConvertible {
  /// Who is talked to: credentials belong to exactly one.
  struct Origin: Sendable, Hashable {
    var isSecure: Bool
    /// In small letters, without brackets.
    var host: String
    var port: Int
  }

  var origin: Origin
  /// From the first slash on, query included.
  var target: String

  init(origin: Origin, target: String) {
    self.origin = origin
    self.target = target
  }

  /// Parses an absolute address; nil for another scheme, user information, or anything odd.
  init?(_ text: String) {
    guard text.utf8.count <= 8192, text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else {
      return nil
    }
    let lower = text.lowercased()
    let isSecure = lower.hasPrefix("https://")
    guard isSecure || lower.hasPrefix("http://") else { return nil }
    let rest = text.dropFirst(isSecure ? 8 : 7)
    let authority = rest.prefix { $0 != "/" && $0 != "?" && $0 != "#" }
    var target = String(rest.dropFirst(authority.count).prefix { $0 != "#" })
    if !target.hasPrefix("/") { target = "/" + target }
    guard let origin = Origin(authority: String(authority), isSecure: isSecure) else { return nil }
    self.init(origin: origin, target: target)
  }

  /// Where a Location header leads from here.
  func following(_ location: String) -> WebAddress? {
    if location.hasPrefix("//") {
      return WebAddress((origin.isSecure ? "https:" : "http:") + location)
    }
    if location.hasPrefix("/") {
      return WebAddress("\(origin)" + location)
    }
    if location.contains("://") { return WebAddress(location) }
    let folder = target.prefix { $0 != "?" }.split(separator: "/").dropLast().joined(separator: "/")
    return WebAddress("\(origin)/" + (folder.isEmpty ? "" : folder + "/") + location)
  }

  /// The same address with a further parameter in its query.
  func adding(_ name: String, _ value: String) -> WebAddress {
    var copy = self
    copy.target += (target.contains("?") ? "&" : "?") + name + "=" + WebAddress.escaped(value)
    return copy
  }

  /// A query's value: everything but unreserved characters escaped (RFC 3986, 2.3).
  static func escaped(_ value: String) -> String {
    var result = ""
    for byte in value.utf8 {
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."),
        UInt8(ascii: "_"), UInt8(ascii: "~"):
        result.unicodeScalars.append(UnicodeScalar(byte))
      default: result += "%" + hex([byte]).uppercased()
      }
    }
    return result
  }

  var description: String { "\(origin)\(target)" }

  /// The address without its query, which may hold a signature: for messages.
  var redacted: String { "\(origin)\(target.prefix { $0 != "?" })" }
}

extension WebAddress.Origin: CustomStringConvertible {
  /// Parses "host", "host:port", "[::1]:port".
  init?(authority: String, isSecure: Bool) {
    guard !authority.isEmpty, authority.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f && $0 != 0x2f }),
      !authority.contains("@"), !authority.contains("\\")
    else { return nil }
    var host = authority[...]
    var port: Int? = isSecure ? 443 : 80
    if authority.hasPrefix("[") {
      guard let close = authority.firstIndex(of: "]") else { return nil }
      host = authority[authority.index(after: authority.startIndex)..<close]
      let rest = authority[authority.index(after: close)...]
      if !rest.isEmpty {
        guard rest.hasPrefix(":") else { return nil }
        port = Int(rest.dropFirst())
      }
    } else if let colon = authority.lastIndex(of: ":") {
      host = authority[..<colon]
      port = Int(authority[authority.index(after: colon)...])
    }
    guard let port, (1...65535).contains(port), !host.isEmpty else { return nil }
    self.init(isSecure: isSecure, host: host.lowercased(), port: port)
  }

  var isLoopback: Bool {
    host == "localhost" || host.hasSuffix(".localhost") || host == "::1" || isAddress(in: "127.")
  }

  /// Addresses that only the machine itself, or its link, should answer at.
  var isLocal: Bool {
    isLoopback || isAddress(in: "169.254.") || host.hasPrefix("fe80:") || host == "::"
      || host == "0.0.0.0"
  }

  private func isAddress(in prefix: String) -> Bool {
    host.hasPrefix(prefix)
      && host.utf8.allSatisfy { $0 == UInt8(ascii: ".") || (48...57).contains($0) }
  }

  /// "host" or "host:port", as in a name or a Host header.
  var authority: String {
    let name = host.contains(":") ? "[\(host)]" : host
    return port == (isSecure ? 443 : 80) ? name : "\(name):\(port)"
  }

  var description: String { (isSecure ? "https://" : "http://") + authority }
}
