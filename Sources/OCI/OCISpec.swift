import Linux
import Runtime

/// `spec`: a config.json to start from.
enum OCISpec {
  static func run(_ words: ArraySlice<String>) throws(Failure) -> Int32 {
    let words = try OCIWords(
      words, verb: "spec", flags: ["rootless"], options: ["bundle"], short: ["b": "bundle"])
    let path = (words["bundle"] ?? ".") + "/config.json"
    guard !Files.exists(path) else {
      throw Failure(
        .exists, "write", path, reason: "File config.json exists", remedy: "remove it first")
    }
    let document = BundleTemplate.document(rootless: words.has("rootless"))
    try Files.replace(path, with: Array((document.pretty + "\n").utf8), mode: 0o666 & ~0o022)
    return 0
  }
}
