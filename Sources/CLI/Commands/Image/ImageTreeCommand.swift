import ArgumentParser
import Engine
import Image
import Linux

struct ImageTreeCommand: Command {
  static let configuration = CommandConfiguration(
    commandName: "tree", _superCommandName: "minidock image",
    abstract: "Show images layer by layer: what each added, changed and deleted, and its size.",
    discussion: """
      Example:
        minidock image tree
        minidock image tree web:1.0

      Layers that several images share are drawn once, with the images where they end. "+" counts files \
      that a layer added, "~" those that it changed, "-" those that it deleted.
      """)

  @Flag(help: "Do not count what each layer changes.") var quick = false
  @Argument(help: ArgumentHelp("Names or ids; all images without.", valueName: "image"))
  var images: [String] = []

  func execute(_ context: Context) throws(Failure) -> Int32 {
    let store = try context.installation().imageStore()
    var records: [ImageRecord] = []
    for name in images { records.append(try store.required(name, "show layers of")) }
    if images.isEmpty { records = try store.list() }
    let tree = try LayerTree(records, store, countingChanges: !quick)
    Console.printRaw(tree.text(width: Int(Terminal.size(of: 1)?.columns ?? 0)))
    return 0
  }
}

struct ImageDiffCommand: Command {
  static let configuration = CommandConfiguration(
    commandName: "diff", _superCommandName: "minidock image",
    abstract: "Show what differs between two images, with sizes.",
    discussion: """
      Example:
        minidock image diff web:1.0 web:1.1
        minidock image diff -q web:1.0 web:1.1

      First the layers that both have and those of each alone, then each file: A added, C changed, D \
      deleted on the way from the first image to the second, with the change in bytes. -q prints the \
      files alone, as minidock diff does.
      """)

  @Flag(name: [.customShort("q"), .long], help: "Print letters and paths alone.") var quiet = false
  @Argument(help: ArgumentHelp("The first image.", valueName: "image")) var first: String
  @Argument(help: ArgumentHelp("The second image.", valueName: "image")) var second: String

  func execute(_ context: Context) throws(Failure) -> Int32 {
    let store = try context.installation().imageStore()
    let a = try store.required(first, "compare")
    let b = try store.required(second, "compare")
    let changes = try ImageComparison(a, b).changes
    func path(_ change: ImageComparison.Change) -> String {
      "/" + String(decoding: change.path, as: UTF8.self).printable
    }
    if quiet {
      for change in changes { Console.print("\(change.kind.rawValue) \(path(change))") }
      return 0
    }
    let shared = zip(a.layers, b.layers).prefix { $0.chainID == $1.chainID }.count
    Console.printRaw(layers(a, b, shared))
    let rows = changes.map { change in
      [change.kind.rawValue, ByteDelta.text(change.after - change.before), path(change)]
    }
    let width = rows.map { $0[1].count }.max() ?? 0
    for row in rows {
      let space = String(repeating: " ", count: width - row[1].count)
      Console.print("\(row[0])  \(space)\(row[1])  \(row[2])")
    }
    Console.print(summary(changes))
    return 0
  }

  private func layers(_ a: ImageRecord, _ b: ImageRecord, _ shared: Int) -> String {
    func line(_ layers: ArraySlice<Layer>, _ what: String) -> String {
      let size = layers.reduce(0) { $0 + $1.size }
      let count = layers.count == 1 ? "1 layer" : "\(layers.count) layers"
      return "\(what)  \(count), \(ByteCount.decimal(size))\n"
    }
    let names = ["both", first, second].map(\.count).max() ?? 0
    func padded(_ text: String) -> String {
      text + String(repeating: " ", count: names - text.count)
    }
    return line(a.layers[..<shared], padded("both"))
      + line(a.layers[shared...], padded(first)) + line(b.layers[shared...], padded(second)) + "\n"
  }

  private func summary(_ changes: [ImageComparison.Change]) -> String {
    func count(_ kind: LayerDiff.Kind) -> Int { changes.filter { $0.kind == kind }.count }
    if changes.isEmpty { return "no differences" }
    let bytes = changes.reduce(0) { $0 + $1.after - $1.before }
    return "\(count(.added)) added, \(count(.modified)) changed, \(count(.deleted)) deleted, "
      + ByteDelta.text(bytes)
  }
}

/// A change in size with its sign.
enum ByteDelta {
  /// "+1.2MB", "-30B", "0B".
  static func text(_ bytes: Int64) -> String {
    let text = ByteCount.decimal(abs(bytes))
    return bytes > 0 ? "+" + text : bytes < 0 ? "-" + text : text
  }
}
