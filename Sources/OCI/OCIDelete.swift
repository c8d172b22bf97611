import Linux
import Runtime

/// `delete`.
enum OCIDelete {
  static func run(
    _ words: ArraySlice<String>, _ context: OCIMain.Context
  ) throws(Failure) -> Int32 {
    let words = try OCIWords(words, verb: "delete", flags: ["force"], short: ["f": "force"])
    try BundleLifecycle(context.store).delete(
      try words.container(), force: words.has("force"))
    return 0
  }
}
