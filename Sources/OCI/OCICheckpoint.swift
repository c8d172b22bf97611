import Linux
import Runtime

/// `checkpoint`.
enum OCICheckpoint {
  static let flags = ["tcp-established", "ext-unix-sk", "shell-job", "file-locks", "auto-dedup"]
  static let options = ["image-path", "work-path", "manage-cgroups-mode", "empty-ns"]

  static func run(
    _ words: ArraySlice<String>, _ context: OCIMain.Context
  ) throws(Failure) -> Int32 {
    let words = try OCIWords(
      words, verb: "checkpoint",
      flags: flags + ["leave-running", "pre-dump", "link-remap", "tcp-skip-in-flight"],
      options: options + ["parent-path"])
    let id = try words.container()
    var chosen = try options(words, context)
    chosen.leavesRunning = words.has("leave-running")
    chosen.isPreDump = words.has("pre-dump")
    chosen.parent = words["parent-path"]
    if words.has("link-remap") { chosen.flags.append("link-remap") }
    if words.has("tcp-skip-in-flight") { chosen.flags.append("skip-in-flight") }
    try BundleCheckpoint(context.store, chosen).checkpoint(id)
    // As runc: what has been written down is no container any more.
    if !chosen.leavesRunning, !chosen.isPreDump {
      try BundleLifecycle(context.store).delete(id, force: true)
    }
    return 0
  }

  /// The options that `checkpoint` and `restore` share.
  static func options(
    _ words: OCIWords, _ context: OCIMain.Context
  ) throws(Failure) -> BundleCheckpoint.Options {
    var options = BundleCheckpoint.Options()
    if let program = context.criu { options.program = program }
    options.images = words["image-path"] ?? options.images
    options.work = words["work-path"]
    options.flags = flags.filter { words.has($0) }
    if let mode = words["manage-cgroups-mode"], !mode.isEmpty {
      guard ["soft", "full", "strict", "ignore"].contains(mode) else {
        throw Failure(
          .invalid, "use", "--manage-cgroups-mode \(mode)",
          reason: "a mode is soft, full, strict or ignore")
      }
      options.cgroupMode = mode
    }
    for kind in words.all("empty-ns") {
      guard kind == "network" else {
        throw Failure(
          .unsupported, "use", "--empty-ns \(kind)", reason: "criu leaves out the network alone",
          remedy: "write --empty-ns network")
      }
      options.leavesNetwork = true
    }
    return options
  }
}

/// `restore`.
enum OCIRestore {
  static func run(
    _ words: ArraySlice<String>, _ context: OCIMain.Context
  ) throws(Failure) -> Int32 {
    let words = try OCIWords(
      words, verb: "restore",
      flags: OCICheckpoint.flags + ["detach", "no-subreaper", "no-pivot", "keep"],
      options: OCICheckpoint.options + ["bundle", "pid-file", "console-socket"],
      short: ["b": "bundle", "d": "detach"])
    let id = try words.container()
    if let path = words["console-socket"], !path.isEmpty {
      throw Failure(
        .unsupported, "use", "--console-socket \(path)",
        reason: "minidock cannot restore a container with a terminal")
    }
    var place = BundleCheckpoint.Place()
    place.bundle = words["bundle"] ?? "."
    place.pidFile = words["pid-file"]
    place.usesSystemd = context.usesSystemd
    let checkpoint = BundleCheckpoint(
      context.store, try OCICheckpoint.options(words, context))
    if words.has("detach") {
      _ = try checkpoint.restore(id, place)
      return 0
    }
    let signals = try ForegroundProcess.takeSignals()
    let status = try ForegroundProcess(
      try checkpoint.restore(id, place), signals: signals
    ).wait()
    if !words.has("keep") { try BundleLifecycle(context.store).delete(id, force: true) }
    return status
  }
}
