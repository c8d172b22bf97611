import Linux
import Runtime

/// `create`.
enum OCICreate {
  static let options = [
    "bundle", "console-socket", "pid-file", "preserve-fds", "pidfd-socket",
  ]
  static let flags = ["no-pivot", "no-new-keyring", "no-subreaper", "keep", "detach"]
  static let short = ["b": "bundle", "d": "detach"]

  static func run(
    _ words: ArraySlice<String>, _ context: OCIMain.Context
  ) throws(Failure) -> Int32 {
    let words = try OCIWords(
      words, verb: "create", flags: ["no-pivot", "no-new-keyring"], options: options, short: short)
    _ = try BundleCreation.create(
      try words.container(), try bundleOptions(words, context), in: context.store)
    return 0
  }

  /// The options that `create` and `run` share.
  static func bundleOptions(
    _ words: OCIWords, _ context: OCIMain.Context
  ) throws(Failure) -> BundleOptions {
    var options = BundleOptions()
    options.bundle = words["bundle"] ?? "."
    options.pidFile = words["pid-file"]
    options.consoleSocket = words["console-socket"].flatMap { $0.isEmpty ? nil : $0 }
    options.pidfdSocket = words["pidfd-socket"].flatMap { $0.isEmpty ? nil : $0 }
    options.moveLink = context.moveLink
    options.avoidsPivot = words.has("no-pivot")
    options.keepsKeyring = words.has("no-new-keyring")
    options.preserved = try words.number("preserve-fds") ?? 0
    options.usesSystemd = context.usesSystemd
    options.warn = context.log.warn
    return options
  }
}
