import Linux
import TestSupport
import Testing

/// A machine on a network that does not run minidock: a namespace.
final class NeighbourMachine: Sendable {
  let name = "md-lan-" + randomHex(bytes: 4)

  init() throws {
    let made = try TestSupport.run(["ip", "netns", "add", name])
    try #require(made.status == 0, "\(made.errors)")
    try succeed("ip", "link", "set", "lo", "up")
  }

  deinit { _ = try? TestSupport.run(["ip", "netns", "del", name]) }

  @discardableResult
  func run(_ words: [String]) throws -> CommandResult {
    try TestSupport.run(["nsenter", "--net=/run/netns/\(name)"] + words)
  }

  @discardableResult
  func succeed(_ words: String...) throws -> String {
    let result = try run(words)
    try #require(result.status == 0, "\(words): \(result.errors)")
    return result.output
  }

  /// Who the web server at an address says has asked; nil when none answers.
  func asks(_ address: String) throws -> String? {
    let result = try run(["curl", "-sf", "--max-time", "2", "http://\(address)/"])
    return result.status == 0 ? result.output.trimmingLineFeeds : nil
  }
}

/// A machine that runs minidock.
final class NetworkedHost {
  let node: EngineNode

  init(_ label: String) throws { node = try EngineNode(label) }

  private var environment: [String] {
    [
      "env", "MINIDOCK_ROOT=\(node.directory)/root", "MINIDOCK_RUNROOT=/run/minidock",
      "MINIDOCK=\(MinidockFixture.binary)",
    ]
  }

  func minidock(_ words: String...) throws -> CommandResult { try minidock(words) }

  func minidock(_ words: [String]) throws -> CommandResult {
    try node.run(environment + [MinidockFixture.binary] + words)
  }

  @discardableResult
  func succeed(_ words: [String]) throws -> String {
    let result = try minidock(words)
    try #require(result.status == 0, "\(words): \(result.errors)")
    return result.output.trimmingLineFeeds
  }

  func importServers() throws {
    try node.succeed(
      environment + ["bash", "-c", ServerImage.script, "servers", node.directory + "/tree"])
  }

  /// Who the web server at an address says has asked; nil when none answers.
  func asks(_ address: String) throws -> String? {
    let result = try node.run(["curl", "-sf", "--max-time", "2", "http://\(address)/"])
    return result.status == 0 ? result.output.trimmingLineFeeds : nil
  }

  /// The same from a container of its own.
  func containerAsks(_ address: String, network: String = "bridge") throws -> String? {
    let result = try minidock([
      "run", "--rm", "--network", network, "servers", "curl", "-sf", "--max-time", "2",
      "http://\(address)/",
    ])
    return result.status == 0 ? result.output.trimmingLineFeeds : nil
  }

  /// Becomes the neighbour of a machine: both get an address of a network of two.
  func connect(_ device: String, _ address: String, to machine: NeighbourMachine, _ far: String)
    throws
  {
    let link = "mv" + randomHex(bytes: 5)
    let made = try TestSupport.run([
      "ip", "link", "add", link, "type", "veth", "peer", "name", device, "netns", machine.name,
    ])
    try #require(made.status == 0, "\(made.errors)")
    try node.join(link: link, as: device, address: address)
    try machine.succeed("ip", "addr", "add", far, "dev", device)
    try machine.succeed("ip", "link", "set", device, "up")
  }
}
