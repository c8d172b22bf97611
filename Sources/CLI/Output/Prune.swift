import ArgumentParser
import Engine
import Linux

/// The flags of everything that prunes.
struct PruneFlags: ParsableArguments {
  @Flag(name: [.customShort("f"), .long], help: "Do not ask.") var force = false
  @Option(
    parsing: .singleValue,
    help: ArgumentHelp(
      "Only what matches: until=24h, label=key, label!=key=value.", valueName: "key=value"))
  var filter: [String] = []

  /// The filters, parsed.
  func selection() throws(Failure) -> PruneSelection {
    var selection = PruneSelection()
    for text in filter {
      let parsed = try Filter(text)
      if parsed.key == "until" {
        selection.until = try Moment.parse(parsed.value, "--filter until")
      } else {
        selection.filters.append(parsed)
      }
    }
    return selection
  }

  /// Asks whether to go on, unless `--force` has answered.
  ///
  /// - Throws: ``Failure/Code/refused`` when the answer is anything but "y".
  func confirm(_ what: String, _ warning: String) throws(Failure) {
    if force { return }
    Console.printRaw(warning + "\nAre you sure you want to continue? [y/N] ")
    var answer: [UInt8] = []
    while answer.count < 100, let byte = try readSome(0, limit: 1).first,
      byte != UInt8(ascii: "\n")
    {
      answer.append(byte)
    }
    let word = String(decoding: answer, as: UTF8.self).trimmed.lowercased()
    guard word == "y" || word == "yes" else {
      if !Terminal.isTerminal(0) { Console.printRaw("\n") }
      throw Failure(
        .refused, "prune", what, reason: "the question was not answered with y",
        remedy: "answer y, or use --force")
    }
  }
}

/// What a prune prints in the end, as docker does.
enum PruneReport {
  /// A heading and a line for each, with an empty line behind; nothing for none.
  static func printList(_ heading: String, _ lines: [String]) {
    if lines.isEmpty { return }
    Console.print(heading + ":")
    for line in lines { Console.print(line) }
    Console.print("")
  }

  static func printTotal(_ bytes: Int64) {
    Console.print("Total reclaimed space: \(ByteCount.decimal(bytes))")
  }
}

/// One live line on a terminal at standard error that says how far a prune is; silent elsewhere.
final class PruneProgress {
  private let what: String
  private let isShown = Terminal.isTerminal(2)
  private var isDirty = false

  init(_ what: String) { self.what = what }

  deinit { clear() }

  func show(_ done: Int, _ all: Int) {
    // Few are gone before anybody could read it.
    guard isShown, all > 3 else { return }
    isDirty = true
    Console.errorRaw("\r\u{1b}[Kremoving \(what): \(done + 1) of \(all)")
  }

  func clear() {
    if isDirty { Console.errorRaw("\r\u{1b}[K") }
    isDirty = false
  }
}
