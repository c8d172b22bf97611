import Linux
import Runtime

/// `exec`.
enum OCIExec {
  private static let flags = ["detach", "tty", "no-new-privs", "ignore-paused", "no-subreaper"]
  private static let options = [
    "process", "cwd", "env", "user", "additional-gids", "cap", "apparmor", "process-label",
    "pid-file", "console-socket", "preserve-fds", "cgroup", "pidfd-socket",
  ]

  static func run(
    _ words: ArraySlice<String>, _ context: OCIMain.Context
  ) throws(Failure) -> Int32 {
    let words = try OCIWords(
      words, verb: "exec", flags: flags, options: options,
      short: [
        "d": "detach", "t": "tty", "p": "process", "e": "env", "u": "user",
        "g": "additional-gids", "c": "cap",
      ])
    guard let id = words.arguments.first else {
      throw Failure(.invalid, "parse", "arguments", reason: "a container's id is missing")
    }
    let exec = BundleExec(context.store)
    let process = try process(words, exec, id)
    var options = BundleExec.Options()
    options.detaches = words.has("detach")
    options.pidFile = words["pid-file"]
    options.consoleSocket = words["console-socket"].flatMap { $0.isEmpty ? nil : $0 }
    options.pidfdSocket = words["pidfd-socket"].flatMap { $0.isEmpty ? nil : $0 }
    options.preserved = try words.number("preserve-fds") ?? 0
    options.ignoresPause = words.has("ignore-paused")
    options.cgroup = words["cgroup"]
    options.warn = context.log.warn
    if options.detaches {
      _ = try exec.start(id, process, options)
      return 0
    }
    let signals = try ForegroundProcess.takeSignals()
    let started = try exec.start(id, process, options)
    return try ForegroundProcess(started, signals: signals).wait()
  }

  private static func process(
    _ words: OCIWords, _ exec: BundleExec, _ id: String
  ) throws(Failure) -> Spec.Process {
    if let path = words["process"] { return try BundleExec.process(file: path) }
    var process = try exec.template(id)
    guard words.arguments.count > 1 else {
      throw Failure(.invalid, "parse", "arguments", reason: "the command is missing")
    }
    process.args = Array(words.arguments.dropFirst())
    process.terminal = words.has("tty")
    if let directory = words["cwd"] { process.cwd = directory }
    process.env = (process.env ?? []) + words.all("env")
    if let user = words["user"] { try set(user, &process.user) }
    for text in words.all("additional-gids") {
      guard let gid = UInt32(text) else { throw wrong("--additional-gids", text) }
      process.user.additionalGids = (process.user.additionalGids ?? []) + [gid]
    }
    // Neither inheritable nor ambient (security row 12).
    var sets = process.capabilities ?? Spec.Capabilities()
    let added = words.all("cap")
    sets.bounding = (sets.bounding ?? []) + added
    sets.effective = (sets.effective ?? []) + added
    sets.permitted = (sets.permitted ?? []) + added
    process.capabilities = sets
    if let profile = words["apparmor"] { process.apparmorProfile = profile }
    if let label = words["process-label"] { process.selinuxLabel = label }
    if words.has("no-new-privs") { process.noNewPrivileges = true }
    return process
  }

  // Numbers alone: a name belongs to the container's files, and runc asks the specification for none.
  private static func set(_ text: String, _ user: inout Spec.User) throws(Failure) {
    let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    guard let uid = UInt32(parts[0]), uid != .max else { throw wrong("--user", text) }
    user.uid = uid
    guard parts.count > 1 else { return }
    guard let gid = UInt32(parts[1]), gid != .max else { throw wrong("--user", text) }
    user.gid = gid
  }

  private static func wrong(_ option: String, _ text: String) -> Failure {
    Failure(
      .invalid, "use", "\(option) \(text)", reason: "it is no number from 0 to 4294967294")
  }
}
