import ArgumentParser
import Engine
import Linux
import Net

struct NetworkInspectCommand: Command {
  static let configuration = CommandConfiguration(
    commandName: "inspect", _superCommandName: "minidock network",
    abstract: "Show all that is known of networks, or draw them.",
    discussion: """
      Example:
        minidock network inspect front
        minidock network inspect --format '{{range .Containers}}{{.Name}} {{end}}' front
        minidock network inspect --graph
        minidock network inspect --graph --format dot | dot -Tsvg > networks.svg

      With --graph and no name all networks with containers are drawn, and those that users have made.
      """)

  @Option(
    name: [.customShort("f"), .long],
    help: ArgumentHelp(
      "Print only this, as a template; with --graph: text or dot.", valueName: "template"))
  var format: String?
  @Flag(help: "Draw the networks with their containers.") var graph = false
  @Flag(name: [.customShort("v"), .long], help: .hidden) var verbose = false
  @Argument(help: ArgumentHelp("Names or ids.", valueName: "network")) var networks: [String] = []

  func execute(_ context: Context) throws(Failure) -> Int32 {
    let installation = try context.installation()
    context.sweep(installation)
    let store = NetworkStore(installation)
    if graph { return try draw(store, context) }
    guard !networks.isEmpty else {
      throw Failure(
        .invalid, "inspect", "network", reason: "no name was given",
        remedy: "name a network, or use --graph")
    }
    let template = try format.map { text throws(Failure) in try Template(text) }
    let users = try store.users()
    var documents: [JSONValue] = []
    let status = context.each(networks) { name throws(Failure) in
      let document = store.document(try store.find(name), users)
      if let template {
        Console.print(try template.render(document))
      } else {
        documents.append(document)
      }
    }
    if template == nil { Console.print(JSONValue.array(documents).pretty) }
    return status
  }

  private func draw(_ store: NetworkStore, _ context: Context) throws(Failure) -> Int32 {
    let format = format ?? "text"
    guard ["text", "dot"].contains(format) else {
      throw Failure(
        .invalid, "parse", "--format=\(format)", reason: "with --graph it is text or dot")
    }
    var records: [NetworkRecord] = []
    var status: Int32 = 0
    if networks.isEmpty {
      let users = try store.users()
      records = try store.list(filters: []).filter {
        !$0.isPredefined || users[$0.name] != nil || $0.name == "bridge"
      }
    } else {
      status = context.each(networks) { name throws(Failure) in
        records.append(try store.find(name))
      }
      if records.isEmpty { return status }
    }
    let isTerminal = Terminal.isTerminal(1)
    let width = isTerminal ? Terminal.size(of: 1).map { Int($0.columns) } ?? 80 : 100
    let picture = try NetworkGraph(
      records, in: store, width: width,
      isColored: isTerminal && Console.environment("NO_COLOR") == nil)
    Console.printRaw(format == "dot" ? picture.dot : picture.text)
    return status
  }
}
