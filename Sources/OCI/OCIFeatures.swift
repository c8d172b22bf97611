import Linux
import Runtime

/// `features`.
enum OCIFeatures {
  static func run(_ words: ArraySlice<String>) throws(Failure) -> Int32 {
    _ = try OCIWords(words, verb: "features")
    Console.print(BundleFeatures.document.pretty)
    return 0
  }
}
