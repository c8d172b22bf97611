import Linux
import Net
import Testing

@testable import Engine

@Suite struct NetworkGraphTests {
  private func network(_ name: String, isInternal: Bool = false) throws -> NetworkRecord {
    var record = NetworkRecord(name: name, id: String(repeating: "a", count: 64), driver: .bridge)
    record.device = "md-front"
    record.subnet = try Subnet(parsing: "10.89.0.0/16")
    record.gateway = IPv4Address("10.89.0.1")
    record.isInternal = isInternal
    return record
  }

  /// The container with a number, which runs unless it is told otherwise, with a name of `length`.
  private func member(
    _ number: Int, on network: String, also: [String] = [], length: Int = 8, runs: Bool = true,
    ports: [String] = []
  ) throws -> NetworkStore.Member {
    var record = ContainerRecord()
    record.id = hex([UInt8(number)]) + String(repeating: "0", count: 62)
    let digits = "\(number + 1000)"
    record.name = digits + String(repeating: "n", count: length - digits.count)
    record.image = "library/\"image\":1"
    record.attachments = ([network] + also).map { NetworkAttachment($0) }
    var state = ContainerState()
    state.status = runs ? .running : .exited
    state.ports = try ports.map { try #require(PublishedPort(field: $0)) }
    let field = "\(network) id eth0 10.89.0.\(number + 2) 16 10.89.0.1 02:6d:0a:59:00:02 - 0 -"
    return NetworkStore.Member(
      record: record, state: state, endpoint: runs ? EndpointState(field: field) : nil)
  }

  private func graph(_ nodes: [NetworkGraph.Node], width: Int = 100) -> NetworkGraph {
    NetworkGraph(nodes, width: width, isColored: false)
  }

  @Test func `a network is drawn with its containers, addresses and ports`() throws {
    let members = [
      try member(0, on: "front", also: ["back"], ports: ["0.0.0.0 8080 80 tcp"]),
      try member(1, on: "front"), try member(2, on: "front", runs: false),
    ]
    let nodes = [
      NetworkGraph.Node(network: try network("front"), members: members),
      NetworkGraph.Node(network: try network("vault", isInternal: true), members: []),
    ]
    #expect(
      graph(nodes).text == """
        front   bridge md-front   10.89.0.0/16   gateway 10.89.0.1
        │
        ├── 1000nnnn   10.89.0.2   eth0   also on back   0.0.0.0:8080 → 80/tcp
        ├── 1001nnnn   10.89.0.3   eth0
        └── 1002nnnn   exited

        vault   bridge md-front   10.89.0.0/16   gateway 10.89.0.1   internal
        └── (no containers)

        """)
  }

  @Test(arguments: [40, 60, 80, 100, 132])
  func `a hundred containers with long names fit the width, each with its address`(
    _ width: Int
  ) throws {
    let ports = (0..<5).map { "0.0.0.0 \(8080 + $0) \(80 + $0) tcp" }
    let members = try (0..<100).map {
      try member($0, on: "front", length: 63, runs: $0 < 90, ports: $0 % 10 == 0 ? ports : [])
    }
    let longNetwork = try network(String(repeating: "front", count: 12))
    let text = graph([NetworkGraph.Node(network: longNetwork, members: members)], width: width).text
    let lines = text.split(separator: "\n")
    for line in lines { #expect(line.count <= width, "\(line)") }
    #expect(lines.count { $0.hasPrefix("├── ") } == 99)
    #expect(lines.count { $0.hasPrefix("└── ") } == 1)
    for (number, member) in members.enumerated() {
      // Enough of a name is left to tell it from the others, and its address is whole.
      let head = try #require(
        lines.firstIndex { $0.dropFirst(4).hasPrefix("\(number + 1000)nnn") })
      let own = lines[head..<min(lines.count, head + 8)].joined(separator: " ") + " "
      #expect(own.contains("… "))
      #expect(own.contains(" \(member.endpoint?.address ?? "exited") "))
    }
    // Every port of every tenth container, where one fits beside the names.
    guard width >= 60 else { return }
    #expect(text.components(of: "0.0.0.0:8084 → 84/tcp") == 9 + 1)
  }

  @Test func `addresses stand under one another`() throws {
    let members = try (0..<100).map { try member($0, on: "front", length: 8 + $0 % 9) }
    let text = graph([NetworkGraph.Node(network: try network("front"), members: members)]).text
    let rows = text.split(separator: "\n").filter { $0.hasPrefix("├── ") || $0.hasPrefix("└── ") }
    #expect(rows.count == 100)
    func column(_ word: String) -> Set<Int> {
      Set(rows.map { row in row.split(separator: word)[0].count })
    }
    #expect(column(" 10.89.0.").count == 1)
    #expect(column(" eth0").count == 1)
  }

  @Test func `Graphviz gets one node for each container and one edge for each connection`() throws {
    var nodes: [NetworkGraph.Node] = []
    for name in ["front", "back"] {
      let members = try (0..<100).map {
        try member(
          $0, on: name, also: [name == "front" ? "back" : "front"], length: 63, runs: $0 != 99,
          ports: ["0.0.0.0 8080 80 tcp"])
      }
      nodes.append(
        NetworkGraph.Node(network: try network(name, isInternal: name == "back"), members: members))
    }
    let lines = graph(nodes).dot.split(separator: "\n")
    #expect(lines.first == "graph minidock {")
    #expect(lines.last == "}")
    #expect(lines.count { $0.contains("shape=box") } == 100)
    #expect(lines.count { $0.contains(" -- \"net:front\" ") } == 100)
    #expect(lines.count { $0.contains(" -- \"net:back\" ") } == 100)
    #expect(lines.count { $0.contains("color=gray") } == 1)
    #expect(
      lines.contains(
        "  \"net:back\" [shape=ellipse, label=\"back\\nbridge\\n10.89.0.0/16\", style=dashed];"))
    let name = "1007" + String(repeating: "n", count: 59)
    #expect(
      lines.contains(
        "  \"070000000000\" [shape=box, label=\"\(name)\\nlibrary/\\\"image\\\":1"
          + "\\n0.0.0.0:8080 → 80/tcp\"];"))
    // Quotes are in pairs, but for those that are quoted.
    for line in lines {
      let bare = line.replacing("\\\\", with: "").replacing("\\\"", with: "")
      #expect(bare.count { $0 == "\"" } % 2 == 0, "\(line)")
    }
  }
}

extension String {
  /// How often a text occurs.
  fileprivate func components(of text: String) -> Int { split(separator: text).count }
}
