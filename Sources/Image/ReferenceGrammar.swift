import Linux

/// The grammar of distribution/reference, read byte by byte; no Unicode, no regular expression.
struct ReferenceGrammar {
  private let text: String
  private let bytes: [UInt8]

  init(_ text: String) {
    self.text = text
    bytes = Array(text.utf8.prefix(2048))
  }

  mutating func parse() throws(Failure) -> Reference {
    guard !bytes.isEmpty else { throw wrong("it is empty") }
    guard text.utf8.count < 2048 else { throw wrong("it is too long") }
    if bytes.count == 64, bytes.allSatisfy(Digest.isHexDigit) {
      throw wrong("64 hexadecimal digits are an image id, not a name")
    }
    var name = bytes[...]
    var digest: Digest?
    if let at = name.firstIndex(of: UInt8(ascii: "@")) {
      digest = try Digest(String(decoding: name[(at + 1)...], as: UTF8.self))
      name = name[..<at]
    }
    var tag: String?
    let lastSlash = name.lastIndex(of: UInt8(ascii: "/")) ?? name.startIndex - 1
    if let colon = name.lastIndex(of: UInt8(ascii: ":")), colon > lastSlash {
      let part = name[(colon + 1)...]
      guard Self.isTag(part) else { throw wrong("its tag is malformed") }
      tag = String(decoding: part, as: UTF8.self)
      name = name[..<colon]
    }
    let (domain, path) = try split(name)
    if tag == nil && digest == nil { tag = "latest" }
    return Reference(domain: domain, path: path, tag: tag, digest: digest)
  }

  /// Docker's rule: the part before the first slash is a registry when it has a dot, a colon or an
  /// upper-case letter, or is "localhost".
  private func split(_ name: ArraySlice<UInt8>) throws(Failure) -> (domain: String, path: String) {
    var domain = Array("docker.io".utf8)[...]
    var path = name
    if let slash = name.firstIndex(of: UInt8(ascii: "/")) {
      let first = name[..<slash]
      let isHost =
        first.contains { $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: ":") || Self.isUpper($0) }
        || first.elementsEqual("localhost".utf8)
      if isHost {
        domain = first
        path = name[(slash + 1)...]
      }
    }
    guard Self.isDomain(domain) else { throw wrong("its registry host is malformed") }
    if domain.elementsEqual("index.docker.io".utf8) { domain = Array("docker.io".utf8)[...] }
    if path.contains(where: Self.isUpper) {
      throw wrong("the repository name must be lower-case")
    }
    let components = path.split(
      separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
    guard components.allSatisfy(Self.isPathComponent) else {
      throw wrong("its repository name is malformed")
    }
    var repository = String(decoding: path, as: UTF8.self)
    if domain.elementsEqual("docker.io".utf8), components.count == 1 {
      repository = "library/" + repository
    }
    guard repository.utf8.count + domain.count + 1 <= 255 else {
      throw wrong("its repository name is longer than 255 characters")
    }
    return (String(decoding: domain, as: UTF8.self), repository)
  }

  private func wrong(_ reason: String) -> Failure {
    Failure(
      .invalid, "parse image name", "\"" + Root.printable(Array(bytes.prefix(120))) + "\"",
      reason: reason, remedy: "write it as [HOST[:PORT]/]NAME[:TAG][@sha256:DIGEST]")
  }

  // MARK: - Character classes and productions

  static func isUpper(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
  }
  static func isLowerOrDigit(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || isDigit(byte)
  }
  static func isDigit(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
  }
  static func isAlphanumeric(_ byte: UInt8) -> Bool { isUpper(byte) || isLowerOrDigit(byte) }

  /// [\w][\w.-]{0,127}
  static func isTag(_ tag: ArraySlice<UInt8>) -> Bool {
    guard let first = tag.first, tag.count <= 128 else { return false }
    let isWord = { (byte: UInt8) in isAlphanumeric(byte) || byte == UInt8(ascii: "_") }
    return isWord(first)
      && tag.allSatisfy { isWord($0) || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "-") }
  }

  /// alphanumerics joined by ".", "_", "__" or any number of "-"
  static func isPathComponent(_ component: ArraySlice<UInt8>) -> Bool {
    guard let first = component.first, let last = component.last, isLowerOrDigit(first),
      isLowerOrDigit(last)
    else { return false }
    for separator in component.split(whereSeparator: isLowerOrDigit) {
      let isDashes = separator.allSatisfy { $0 == UInt8(ascii: "-") }
      let isOne =
        separator.elementsEqual(".".utf8) || separator.elementsEqual("_".utf8)
        || separator.elementsEqual("__".utf8)
      guard isDashes || isOne else { return false }
    }
    return true
  }

  /// host[:port], the host a DNS name, an IPv4 address or an IPv6 address in brackets
  static func isDomain(_ domain: ArraySlice<UInt8>) -> Bool {
    var host = domain
    if domain.first == UInt8(ascii: "[") {
      guard let close = domain.firstIndex(of: UInt8(ascii: "]")) else { return false }
      let address = domain[(domain.startIndex + 1)..<close]
      let isAddress = address.allSatisfy {
        isDigit($0) || $0 == UInt8(ascii: ":")
          || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains($0 | 0x20)
      }
      guard !address.isEmpty, isAddress else { return false }
      let rest = domain[(close + 1)...]
      return rest.isEmpty || (rest.first == UInt8(ascii: ":") && isPort(rest.dropFirst()))
    }
    if let colon = domain.lastIndex(of: UInt8(ascii: ":")) {
      guard isPort(domain[(colon + 1)...]) else { return false }
      host = domain[..<colon]
    }
    let labels = host.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    return labels.allSatisfy { label in
      guard let first = label.first, let last = label.last else { return false }
      return isAlphanumeric(first) && isAlphanumeric(last)
        && label.allSatisfy { isAlphanumeric($0) || $0 == UInt8(ascii: "-") }
    }
  }

  static func isPort(_ port: ArraySlice<UInt8>) -> Bool {
    !port.isEmpty && port.count <= 5 && port.allSatisfy(isDigit)
  }
}
