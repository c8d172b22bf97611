import Linux
import Net

/// `network inspect --graph`: networks with their containers, as a picture of text or for Graphviz.
public struct NetworkGraph {
  /// A network with what is on it.
  struct Node {
    let network: NetworkRecord
    let members: [NetworkStore.Member]
  }

  private let nodes: [Node]
  /// The most columns of a line; longer names are cut.
  private let width: Int
  private let isColored: Bool

  /// The picture of networks.
  ///
  /// - Parameters:
  ///   - width: columns of the terminal, at least 40 are used.
  ///   - isColored: whether names stand out by colour.
  public init(
    _ networks: [NetworkRecord], in store: NetworkStore, width: Int, isColored: Bool
  ) throws(Failure) {
    let users = try store.users()
    self.init(
      networks.map { Node(network: $0, members: store.members(of: $0, users)) }, width: width,
      isColored: isColored)
  }

  init(_ nodes: [Node], width: Int, isColored: Bool) {
    self.nodes = nodes
    self.width = max(40, width)
    self.isColored = isColored
  }

  // MARK: - Text

  /// The picture:
  ///
  ///     front   bridge md-1f0c9b7e2a44   10.89.0.0/16   internal
  ///     │
  ///     ├── web    10.89.0.2   eth0   also on back   0.0.0.0:8080 → 80/tcp
  ///     └── db     stopped
  public var text: String {
    nodes.map { picture($0).joined(separator: "\n") }.joined(separator: "\n\n") + "\n"
  }

  private func picture(_ node: Node) -> [String] {
    let network = node.network
    var facts = [network.driver == .none ? "no link but loopback" : network.driver.rawValue]
    if !network.device.isEmpty { facts[0] += " " + network.device }
    if let subnet = network.subnet { facts.append("\(subnet)") }
    if let gateway = network.gateway, network.driver == .bridge {
      facts.append("gateway \(gateway)")
    }
    if let subnet = network.subnet6 { facts.append("\(subnet)") }
    facts.append(network.isInternal ? "internal" : "")
    let heading = facts.filter { !$0.isEmpty }.joined(separator: "   ")
    let name = cut(network.name, to: width / 2)
    var lines = wrapped(name, bold(name), heading, indent: "│   ")
    lines.append(node.members.isEmpty ? "└── (no containers)" : "│")
    let rows = node.members.map { cells(of: $0, on: network) }
    let widest = min(rows.map { $0.name.count }.max() ?? 0, max(12, width / 3))
    let widths = [0, 1].map { column in
      rows.map { $0.facts.count > column ? $0.facts[column].count : 0 }.max() ?? 0
    }
    for (index, row) in rows.enumerated() {
      let isLast = index + 1 == rows.count
      let name = cut(row.name, to: widest)
      let pad = String(repeating: " ", count: widest - name.count)
      let columns = row.facts.enumerated().map { column, fact in
        column < 2 && column + 1 < row.facts.count
          ? fact + String(repeating: " ", count: widths[column] - fact.count) : fact
      }
      let branch = isLast ? "└── " : "├── "
      lines += wrapped(
        branch + name + pad, branch + (row.isRunning ? green(name) : dim(name)) + pad,
        columns.joined(separator: "   "),
        indent: (isLast ? "    " : "│   ") + String(repeating: " ", count: widest + 3))
    }
    return lines
  }

  private func cells(
    of member: NetworkStore.Member, on network: NetworkRecord
  ) -> (name: String, facts: [String], isRunning: Bool) {
    let others = member.record.networkNames.filter { $0 != network.name }
    let also = others.isEmpty ? "" : "also on " + others.joined(separator: ", ")
    guard let endpoint = member.endpoint else {
      let facts =
        member.state.status.isActive && !network.driver.hasAddresses
        ? ["running"] : [member.state.status == .created ? "created" : member.state.status.rawValue]
      return (
        member.record.name, facts + (also.isEmpty ? [] : [also]), member.state.status.isActive
      )
    }
    var facts = [endpoint.address, endpoint.link]
    if let address6 = endpoint.address6 { facts.append(address6) }
    if !also.isEmpty { facts.append(also) }
    facts += NetworkGraph.ports(member)
    return (member.record.name, facts, true)
  }

  /// "0.0.0.0:8080 → 80/tcp" for each published port.
  static func ports(_ member: NetworkStore.Member) -> [String] {
    member.state.ports.map {
      "\(PortTexts.host($0)) → \($0.containerPort)/\($0.transport.rawValue)"
    }
  }

  // What does not fit behind the head goes on under it.
  private func wrapped(
    _ plainHead: String, _ head: String, _ rest: String, indent: String
  ) -> [String] {
    var lines: [String] = []
    var line = head
    var used = plainHead.count
    for part in rest.split(separator: "   ", omittingEmptySubsequences: true) {
      // Padding of a column stays with what it follows.
      let fact = String(part)
      if used + 3 + fact.count > width, used > indent.count {
        lines.append(line)
        line = indent + cut(fact.drop { $0 == " " }.description, to: max(8, width - indent.count))
        used = indent.count + min(fact.count, max(8, width - indent.count))
      } else {
        line += "   " + fact
        used += 3 + fact.count
      }
    }
    return lines + [line]
  }

  private func cut(_ text: String, to count: Int) -> String {
    text.count <= count ? text : text.prefix(max(1, count - 1)) + "…"
  }

  private func bold(_ text: String) -> String { isColored ? "\u{1b}[1m\(text)\u{1b}[0m" : text }
  private func green(_ text: String) -> String { isColored ? "\u{1b}[32m\(text)\u{1b}[0m" : text }
  private func dim(_ text: String) -> String { isColored ? "\u{1b}[2m\(text)\u{1b}[0m" : text }

  // MARK: - Graphviz

  /// The same for `dot`.
  public var dot: String {
    var lines = ["graph minidock {", "  rankdir=LR;", "  node [fontname=\"sans-serif\"];"]
    var seen: [String] = []
    for node in nodes {
      let network = node.network
      let facts = [network.name, network.driver.rawValue, network.subnet.map { "\($0)" } ?? ""]
      let label = facts.filter { !$0.isEmpty }.map(NetworkGraph.quoted).joined(separator: "\\n")
      let style = network.isInternal ? ", style=dashed" : ""
      lines.append("  \"net:\(network.name)\" [shape=ellipse, label=\"\(label)\"\(style)];")
      for member in node.members {
        let record = member.record
        if !seen.contains(record.id) {
          seen.append(record.id)
          let label = ([record.name, record.image] + NetworkGraph.ports(member))
            .map(NetworkGraph.quoted).joined(separator: "\\n")
          let style = member.state.status.isActive ? "" : ", color=gray, fontcolor=gray"
          lines.append("  \"\(record.shortID)\" [shape=box, label=\"\(label)\"\(style)];")
        }
        let address = member.endpoint?.address ?? ""
        lines.append(
          "  \"\(record.shortID)\" -- \"net:\(network.name)\" [label=\"\(address)\"];")
      }
    }
    return (lines + ["}"]).joined(separator: "\n") + "\n"
  }

  private static func quoted(_ text: String) -> String {
    text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
  }
}

extension NetworkRecord.Driver {
  /// Whether containers have addresses of their own there.
  fileprivate var hasAddresses: Bool { self != .host && self != .none }
}
