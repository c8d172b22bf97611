import Linux
import Runtime

/// `start`, `pause`, `resume`: a container's id, and nothing else to say.
enum OCIStep {
  /// Runs a verb's step of the container that the words name.
  static func run(
    _ verb: String, _ words: ArraySlice<String>, _ context: OCIMain.Context,
    _ step: (BundleLifecycle, String) throws(Failure) -> Void
  ) throws(Failure) -> Int32 {
    let words = try OCIWords(words, verb: verb)
    try step(BundleLifecycle(context.store), try words.container())
    return 0
  }
}
