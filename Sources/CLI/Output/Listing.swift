import ArgumentParser
import Engine
import Linux

/// A column of a table: the template field that it shows and its heading.
struct Column {
  let field: String
  let heading: String

  init(_ field: String, _ heading: String) {
    self.field = field
    self.heading = heading
  }
}

/// One line of a list, in all the forms that a list is printed in.
protocol ListLine {
  /// What `--quiet` prints.
  var identifier: String { get }
  /// The fields that tables, templates and JSON show.
  var document: JSONValue { get }
  /// Headings of fields that differ from the field's name in capitals.
  static var headers: [String: String] { get }
}

/// The flags of every list.
struct ListFlags: ParsableArguments {
  @Flag(name: [.customShort("q"), .long], help: "Print only ids.") var quiet = false
  @Flag(help: "Do not shorten ids and commands.") var noTrunc = false
  @Option(
    name: [.customShort("f"), .long], parsing: .singleValue,
    help: ArgumentHelp("Only what matches.", valueName: "key=value"))
  var filter: [String] = []
  @Option(help: ArgumentHelp("table, json, or a template.", valueName: "format"))
  var format = "table"

  /// The filters, parsed.
  func filters() throws(Failure) -> [Filter] {
    var result: [Filter] = []
    for text in filter { result.append(try Filter(text)) }
    return result
  }

  /// Prints a list in the form asked for.
  func print<Line: ListLine>(_ lines: [Line], columns: [Column]) throws(Failure) {
    if quiet {
      for line in lines { Console.print(line.identifier) }
    } else {
      try ListLines.print(lines, columns: columns, format: format)
    }
  }
}

/// Prints lists.
enum ListLines {
  /// Prints a list in a form: "table", "json", "table TEMPLATE" or a template.
  static func print<Line: ListLine>(
    _ lines: [Line], columns: [Column], format: String
  ) throws(Failure) {
    if format == "table" {
      printTable(lines, columns)
    } else if format == "json" {
      for line in lines { Console.print(line.document.compact) }
    } else if format.hasPrefix("table ") {
      try printTable(lines, template: String(format.dropFirst(6)))
    } else {
      let template = try Template(format)
      for line in lines { Console.print(try template.render(line.document)) }
    }
  }

  private static func printTable<Line: ListLine>(_ lines: [Line], _ columns: [Column]) {
    let rows = lines.map { line in
      columns.map { column -> String in
        if case .string(let text) = line.document[column.field] { return text }
        return ""
      }
    }
    Console.printRaw(Table.text([columns.map(\.heading)] + rows))
  }

  // The headings are the template's own fields; a tab separates columns.
  private static func printTable<Line: ListLine>(
    _ lines: [Line], template text: String
  ) throws(Failure) {
    let template = try Template(text)
    let heading = template.heading(Line.headers)
    var rows = [Table.cells(heading)]
    for line in lines { rows.append(Table.cells(try template.render(line.document))) }
    Console.printRaw(Table.text(rows))
  }
}

/// Columns side by side, three spaces apart, as docker's.
enum Table {
  /// The rows as text, each column as wide as its widest cell.
  static func text(_ rows: [[String]]) -> String {
    var widths: [Int] = []
    for row in rows {
      for (index, cell) in row.enumerated() {
        if index == widths.count { widths.append(0) }
        widths[index] = max(widths[index], cell.count)
      }
    }
    var text = ""
    for row in rows {
      var line = ""
      for (index, cell) in row.enumerated() {
        line += cell
        if index + 1 < row.count {
          line += String(repeating: " ", count: widths[index] - cell.count + 3)
        }
      }
      text += line + "\n"
    }
    return text
  }

  /// Splits a rendered line into cells.
  static func cells(_ line: String) -> [String] {
    line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
  }
}
