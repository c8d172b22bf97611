import Linux
import Runtime

/// `ps`.
enum OCIPs {
  static func run(
    _ words: ArraySlice<String>, _ context: OCIMain.Context
  ) throws(Failure) -> Int32 {
    let words = try OCIWords(
      words, verb: "ps", options: ["format"], short: ["f": "format"])
    guard let id = words.arguments.first else {
      throw Failure(.invalid, "parse", "arguments", reason: "a container's id is missing")
    }
    let pids = try BundleLifecycle(context.store).processes(id)
    switch words["format"] ?? "table" {
    case "json": Console.print(JSONValue.array(pids.map { .number(Int64($0)) }).compact)
    case "table":
      let rows = pids.compactMap { pid -> [String]? in
        guard let stat = ProcessStat(pid: pid) else { return nil }
        let owner = (try? FileStatus("/proc/\(pid)").owner).map { String($0) } ?? "?"
        let command = ((try? Files.read("/proc/\(pid)/cmdline")) ?? nil ?? []).split(separator: 0)
          .map { String(decoding: $0, as: UTF8.self).printable }.joined(separator: " ")
        return [owner, String(pid), String(stat.parent), command]
      }
      OCITable.print([["UID", "PID", "PPID", "CMD"]] + rows)
    case let other:
      throw Failure(.invalid, "use", "--format \(other)", reason: "a format is table or json")
    }
    return 0
  }
}
