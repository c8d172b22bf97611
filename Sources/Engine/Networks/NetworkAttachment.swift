import Linux
import Net

/// One network that a container is to be connected to, and what it asks for there: a `--network`, or
/// `network connect`.
public struct NetworkAttachment: Sendable, Equatable {
  /// The network's name; what the user wrote, until it was looked up.
  public var network: String
  /// `--network-alias`: further names of the container on this network.
  public var aliases: [String] = []
  /// `--ip`, `--ip6` and `--mac-address`.
  public var request = LeaseRequest()

  /// A connection without wishes.
  public init(_ network: String) { self.network = network }

  /// Parses docker's long form, "name=front,alias=web,ip=10.1.0.9".
  init(parsing text: String) throws(Failure) {
    self.init("")
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
      let pair = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard pair.count == 2 else {
        throw NetworkAttachment.wrong("--network", text, "\"\(part)\" is not KEY=VALUE")
      }
      let value = String(pair[1])
      switch pair[0] {
      case "name": network = value
      case "alias": aliases.append(value)
      case "ip": try setAddress(value, flag: "--network ip")
      case "ip6": try setAddress6(value, flag: "--network ip6")
      case "mac-address": try setMAC(value, flag: "--network mac-address")
      default:
        throw NetworkAttachment.wrong(
          "--network", text, "there is no key \"\(pair[0])\": use name, alias, ip, ip6, mac-address"
        )
      }
    }
    if network.isEmpty { throw NetworkAttachment.wrong("--network", text, "it has no name=") }
  }

  static func wrong(_ flag: String, _ value: String, _ reason: String) -> Failure {
    Failure(.invalid, "parse", "\(flag)=\(value)", reason: reason)
  }

  /// Takes `--ip`.
  public mutating func setAddress(_ text: String, flag: String = "--ip") throws(Failure) {
    guard let address = IPv4Address(text) else {
      throw NetworkAttachment.wrong(flag, text, "it is not an IPv4 address")
    }
    request.address = address
  }

  /// Takes `--ip6`.
  public mutating func setAddress6(_ text: String, flag: String = "--ip6") throws(Failure) {
    guard let address = IPv6Address(text) else {
      throw NetworkAttachment.wrong(flag, text, "it is not an IPv6 address")
    }
    request.address6 = address
  }

  /// Takes `--mac-address`.
  public mutating func setMAC(_ text: String, flag: String = "--mac-address") throws(Failure) {
    // A group's address can be no device's.
    guard let mac = MACAddress(text), mac.bytes[0] & 1 == 0, mac.bytes.contains(where: { $0 != 0 })
    else {
      throw NetworkAttachment.wrong(
        flag, text, "it is not an Ethernet address of one device (02:42:ac:11:00:02)")
    }
    request.mac = mac
  }

  /// Whether nothing is asked for.
  var isPlain: Bool { aliases.isEmpty && request == LeaseRequest() }

  /// As a line of a record: words, none of which can hold a space.
  var field: String {
    var words = [network]
    if let address = request.address { words.append("ip=\(address)") }
    if let address = request.address6 { words.append("ip6=\(address)") }
    if let mac = request.mac { words.append("mac=\(mac)") }
    words += aliases.map { "alias=" + $0 }
    return words.joined(separator: " ")
  }

  init(field: String) {
    let words = field.split(separator: " ")
    self.init(words.first.map(String.init) ?? "")
    for word in words.dropFirst() {
      let pair = word.split(separator: "=", maxSplits: 1)
      guard pair.count == 2 else { continue }
      switch pair[0] {
      case "ip": request.address = IPv4Address(pair[1])
      case "ip6": request.address6 = IPv6Address(pair[1])
      case "mac": request.mac = MACAddress(pair[1])
      default: aliases.append(String(pair[1]))
      }
    }
  }
}

/// The words of `run` about networks, of which some are about the first.
public struct NetworkWords: Sendable {
  /// `--network`, each.
  public var networks: [String] = []
  /// `--network-alias`, each.
  public var aliases: [String] = []
  /// `--ip`.
  public var address: String?
  /// `--ip6`.
  public var address6: String?
  /// `--mac-address`.
  public var mac: String?

  /// None.
  public init() {}

  /// The mode and the connections.
  ///
  /// - Throws: ``Failure/Code/invalid`` for words that exclude each other.
  func parsed() throws(Failure) -> (mode: NetworkMode, attachments: [NetworkAttachment]) {
    var attachments: [NetworkAttachment] = []
    var single: NetworkMode?
    for text in networks.isEmpty ? ["bridge"] : networks {
      let isLong = text.contains("=") && !text.hasPrefix("container:")
      var attachment = isLong ? try NetworkAttachment(parsing: text) : NetworkAttachment(text)
      let mode = try NetworkMode(attachment.network)
      guard mode.isManaged else {
        single = mode
        continue
      }
      attachment.network = mode.name
      if attachments.contains(where: { $0.network == mode.name }) {
        throw NetworkAttachment.wrong("--network", text, "it is given twice")
      }
      attachments.append(attachment)
    }
    if let single {
      if networks.count > 1 {
        throw NetworkAttachment.wrong(
          "--network", single.name, "it cannot be combined with another network")
      }
      try refuseWishes(single.name)
      return (single, [])
    }
    try takeWishes(into: &attachments[0])
    for attachment in attachments {
      for alias in attachment.aliases { _ = try NameBook.checked(alias) }
      guard attachment.network == "bridge" else { continue }
      if !attachment.aliases.isEmpty {
        throw NetworkAttachment.wrong(
          "--network-alias", attachment.aliases[0],
          "names are for networks made by minidock network create")
      }
      if let address = attachment.request.address {
        throw NetworkAttachment.wrong(
          "--ip", "\(address)",
          "addresses can be chosen on networks made by minidock network create")
      }
    }
    return (try NetworkMode(attachments[0].network), attachments)
  }

  private func refuseWishes(_ network: String) throws(Failure) {
    let given = [
      ("--network-alias", aliases.first), ("--ip", address), ("--ip6", address6),
      ("--mac-address", mac),
    ]
    for (flag, value) in given {
      if let value {
        throw NetworkAttachment.wrong(flag, value, "it does not go with --network \(network)")
      }
    }
  }

  private func takeWishes(into first: inout NetworkAttachment) throws(Failure) {
    first.aliases += aliases
    if let address { try first.setAddress(address) }
    if let address6 { try first.setAddress6(address6) }
    if let mac { try first.setMAC(mac) }
  }
}

extension RunOptions {
  /// Takes what `run` says about networks.
  public mutating func take(_ words: NetworkWords) throws(Failure) {
    (network, attachments) = try words.parsed()
  }
}

extension ContainerRecord {
  /// The names of its networks, as lists show them.
  public var networkNames: [String] {
    attachments.isEmpty ? [network.name] : attachments.map(\.network)
  }

  func isOn(network name: String) -> Bool { networkNames.contains(name) }
}
