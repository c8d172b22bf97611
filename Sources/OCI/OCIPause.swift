import Linux
import Runtime

/// `pause`.
enum OCIPause {
  static func run(
    _ words: ArraySlice<String>, _ context: OCIMain.Context
  ) throws(Failure) -> Int32 {
    let words = try OCIWords(words, verb: "pause")
    try BundleLifecycle(context.store).pause(try words.container())
    return 0
  }
}

/// `resume`.
enum OCIResume {
  static func run(
    _ words: ArraySlice<String>, _ context: OCIMain.Context
  ) throws(Failure) -> Int32 {
    let words = try OCIWords(words, verb: "resume")
    try BundleLifecycle(context.store).resume(try words.container())
    return 0
  }
}
