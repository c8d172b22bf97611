import Linux
import Runtime

/// `run`: create, start, and without `--detach` wait and delete.
enum OCIRun {
  static func run(
    _ words: ArraySlice<String>, _ context: OCIMain.Context
  ) throws(Failure) -> Int32 {
    let words = try OCIWords(
      words, verb: "run", flags: OCICreate.flags, options: OCICreate.options,
      short: OCICreate.short)
    let id = try words.container()
    var options = try OCICreate.bundleOptions(words, context)
    options.detaches = words.has("detach")
    let lifecycle = BundleLifecycle(context.store)
    if options.detaches {
      _ = try BundleCreation.create(id, options, in: context.store)
      try start(id, lifecycle)
      return 0
    }
    let signals = try ForegroundProcess.takeSignals()
    let created = try BundleCreation.create(id, options, in: context.store)
    let process = ForegroundProcess(created, signals: signals)
    try start(id, lifecycle)
    let status = try process.wait()
    if !words.has("keep") { try lifecycle.delete(id, force: true) }
    return status
  }

  // A container whose command cannot be executed is of no use to anybody.
  private static func start(_ id: String, _ lifecycle: BundleLifecycle) throws(Failure) {
    do throws(Failure) { try lifecycle.start(id) } catch {
      try? lifecycle.delete(id, force: true)
      throw error
    }
  }
}
