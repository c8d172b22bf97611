import Linux
import Runtime

/// `start`.
enum OCIStart {
  static func run(
    _ words: ArraySlice<String>, _ context: OCIMain.Context
  ) throws(Failure) -> Int32 {
    let words = try OCIWords(words, verb: "start")
    try BundleLifecycle(context.store).start(try words.container())
    return 0
  }
}
