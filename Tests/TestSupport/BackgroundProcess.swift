import Glibc
import Linux

/// A process that a test starts and talks to while it runs; killed with the object.
public final class BackgroundProcess {
  /// The process's id.
  public let pid: Int32
  private let scratch: TemporaryDirectory
  private var result: CommandResult?

  /// Starts a program found in PATH.
  ///
  /// - Parameters:
  ///   - environment: entries added to this process's environment, "NAME=value".
  ///   - input: the descriptor that becomes its standard input; -1 for /dev/null.
  public init(_ arguments: [String], environment: [String] = [], input: Int32 = -1) throws {
    scratch = try TemporaryDirectory("process")
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    if input < 0 {
      posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    } else {
      posix_spawn_file_actions_adddup2(&actions, input, 0)
    }
    let flags = O_WRONLY | O_CREAT | O_APPEND
    posix_spawn_file_actions_addopen(&actions, 1, scratch.file("out"), flags, 0o600)
    posix_spawn_file_actions_addopen(&actions, 2, scratch.file("err"), flags, 0o600)
    var argv = arguments.map { strdup($0) }
    argv.append(nil)
    var entries: [String] = []
    var cursor = environ
    let added = Set(environment.map { $0.prefix { $0 != "=" } })
    while let entry = cursor.pointee {
      let text = String(cString: entry)
      if !added.contains(text.prefix { $0 != "=" }) { entries.append(text) }
      cursor += 1
    }
    var envp = (entries + environment).map { strdup($0) }
    envp.append(nil)
    defer { for pointer in argv + envp { free(pointer) } }
    // The test process may block or ignore signals that its child must get.
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var all = sigset_t()
    sigfillset(&all)
    var none = sigset_t()
    sigemptyset(&none)
    posix_spawnattr_setsigdefault(&attributes, &all)
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK))
    var pid: pid_t = 0
    let failed = posix_spawnp(&pid, arguments[0], &actions, &attributes, argv, envp)
    if failed != 0 { throw Failure(errno: failed, "run", arguments[0]) }
    self.pid = pid
  }

  deinit {
    if result == nil {
      kill(pid, SIGKILL)
      var status: Int32 = 0
      waitpid(pid, &status, 0)
    }
  }

  /// What it has printed so far.
  public var output: String { text("out") }

  /// What it has printed to standard error so far.
  public var errors: String { text("err") }

  /// Sends a signal to the process.
  public func signal(_ number: Int32) { if result == nil { kill(pid, number) } }

  /// Waits until `condition` of the standard output is true.
  ///
  /// - Returns: false when it was not within the time, or the process ended before.
  @discardableResult
  public func wait(
    untilOutput condition: (String) -> Bool, timeoutSeconds: Int = 30
  ) throws -> Bool {
    for _ in 0..<(timeoutSeconds * 200) {
      if condition(output) { return true }
      if try poll() != nil { return condition(output) }
      usleep(5000)
    }
    return false
  }

  /// Waits for the process's end; one that does not end in time is killed (status 137).
  @discardableResult
  public func wait(timeoutSeconds: Int = 30) throws -> CommandResult {
    for _ in 0..<(timeoutSeconds * 200) {
      if let result = try poll() { return result }
      usleep(5000)
    }
    kill(pid, SIGKILL)
    return finish(try Processes.wait(pid: pid))
  }

  /// How it ended; nil while it runs.
  public func poll() throws -> CommandResult? {
    if let result { return result }
    var status: Int32 = 0
    let reaped = waitpid(pid, &status, WNOHANG)
    if reaped < 0 { throw Failure(errno: errno, "wait for", "process \(pid)") }
    return reaped == 0 ? nil : finish(Processes.decode(status))
  }

  private func finish(_ status: ExitStatus) -> CommandResult {
    let ended = CommandResult(status: status.code, output: output, errors: errors)
    result = ended
    return ended
  }

  private func text(_ name: String) -> String {
    let bytes = (try? Files.read(scratch.file(name), limit: 512 << 20)) ?? []
    return String(decoding: bytes, as: UTF8.self)
  }
}
