import Linux
import Runtime

/// `list`.
enum OCIList {
  static func run(
    _ words: ArraySlice<String>, _ context: OCIMain.Context
  ) throws(Failure) -> Int32 {
    let words = try OCIWords(
      words, verb: "list", flags: ["quiet"], options: ["format"],
      short: ["q": "quiet", "f": "format"])
    let ids = try context.store.ids()
    if words.has("quiet") {
      for id in ids { Console.print(id) }
      return 0
    }
    var records: [(record: BundleRecord, status: BundleStatus)] = []
    for id in ids {
      // Half made or damaged: `delete --force` clears it.
      guard let record = try? context.store.record(id) else { continue }
      records.append((record, context.store.status(of: record)))
    }
    switch words["format"] ?? "table" {
    case "json":
      Console.print(
        JSONValue.array(records.map { $0.record.listing(status: $0.status) }).compact)
    case "table":
      let rows = records.map { record, status in
        [
          record.id, String(status == .stopped ? 0 : record.process?.pid ?? 0), status.rawValue,
          record.bundle, record.created.description,
          record.owner == 0 ? "root" : "#\(record.owner)",
        ]
      }
      OCITable.print([["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"]] + rows)
    case let other:
      throw Failure(.invalid, "use", "--format \(other)", reason: "a format is table or json")
    }
    return 0
  }
}

/// Columns as wide as what stands in them.
enum OCITable {
  static func print(_ rows: [[String]]) {
    guard let head = rows.first else { return }
    let widths = head.indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
    for row in rows {
      var line = ""
      for (column, text) in row.enumerated() {
        line += text
        if column < row.count - 1 {
          line += String(repeating: " ", count: widths[column] - text.count + 3)
        }
      }
      Console.print(line)
    }
  }
}
