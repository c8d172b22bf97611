import Linux
import Runtime

/// `kill`.
enum OCIKill {
  static func run(
    _ words: ArraySlice<String>, _ context: OCIMain.Context
  ) throws(Failure) -> Int32 {
    let words = try OCIWords(words, verb: "kill", flags: ["all"], short: ["a": "all"])
    guard let id = words.arguments.first, words.arguments.count <= 2 else {
      throw Failure(
        .invalid, "parse", "arguments", reason: "kill takes a container's id and a signal")
    }
    let name = words.arguments.count > 1 ? words.arguments[1] : "SIGTERM"
    guard let signal = Signals.number(name) else {
      throw Failure(.invalid, "use signal", "\"\(name)\"", reason: "there is no such signal")
    }
    try BundleLifecycle(context.store).kill(id, signal: signal, all: words.has("all"))
    return 0
  }
}
