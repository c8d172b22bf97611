import Glibc
import Linux

/// What a command printed and how it ended.
public struct CommandResult: Sendable {
  /// The shell's number: the exit code, or 128 + the signal; 124 when the time was up.
  public let status: Int32
  /// Standard output as UTF-8, whatever is none replaced.
  public let output: String
  /// Standard error, likewise.
  public let errors: String
}

/// Runs a program found in PATH, feeds it `input`, and returns what it printed. For oracles (ip, nft,
/// tar, …) and for minidock itself in tests.
///
/// - Parameter environment: entries added to this process's environment, "NAME=value".
@discardableResult
public func run(
  _ arguments: [String], input: [UInt8] = [], environment: [String] = [],
  timeoutSeconds: Int = 120
) throws -> CommandResult {
  let scratch = try TemporaryDirectory("run")
  let stdin = scratch.file("in")
  try Files.replace(stdin, with: input, mode: 0o600)
  var actions = posix_spawn_file_actions_t()
  posix_spawn_file_actions_init(&actions)
  defer { posix_spawn_file_actions_destroy(&actions) }
  posix_spawn_file_actions_addopen(&actions, 0, stdin, O_RDONLY, 0)
  posix_spawn_file_actions_addopen(&actions, 1, scratch.file("out"), O_WRONLY | O_CREAT, 0o600)
  posix_spawn_file_actions_addopen(&actions, 2, scratch.file("err"), O_WRONLY | O_CREAT, 0o600)
  var argv = (["timeout", "-k", "5", "\(timeoutSeconds)"] + arguments).map { strdup($0) }
  argv.append(nil)
  var inherited: [String] = []
  var cursor = environ
  while let entry = cursor.pointee {
    inherited.append(String(cString: entry))
    cursor += 1
  }
  let added = Set(environment.map { $0.prefix { $0 != "=" } })
  var envp = (inherited.filter { !added.contains($0.prefix { $0 != "=" }) } + environment)
    .map { strdup($0) }
  envp.append(nil)
  defer { for pointer in argv + envp { free(pointer) } }
  // The test runner blocks signals in its threads; a child that inherits that cannot be timed out.
  var attributes = posix_spawnattr_t()
  posix_spawnattr_init(&attributes)
  defer { posix_spawnattr_destroy(&attributes) }
  var none = sigset_t()
  var all = sigset_t()
  sigemptyset(&none)
  sigfillset(&all)
  posix_spawnattr_setsigmask(&attributes, &none)
  posix_spawnattr_setsigdefault(&attributes, &all)
  posix_spawnattr_setflags(
    &attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
  var pid: pid_t = 0
  let failed = posix_spawnp(&pid, "timeout", &actions, &attributes, argv, envp)
  if failed != 0 { throw Failure(errno: failed, "run", arguments[0]) }
  let status = try Processes.wait(pid: pid)
  return CommandResult(
    status: status.code,
    output: String(
      decoding: try Files.read(scratch.file("out"), limit: 512 << 20) ?? [], as: UTF8.self),
    errors: String(
      decoding: try Files.read(scratch.file("err"), limit: 64 << 20) ?? [], as: UTF8.self))
}

/// Whether this process is root, for `.enabled(if: isRoot, "needs root")`.
public let isRoot = geteuid() == 0

/// Whether a program is in PATH.
public func hasProgram(_ name: String) -> Bool {
  let path = getenv("PATH").map { String(cString: $0) } ?? "/usr/sbin:/usr/bin:/sbin:/bin"
  return path.split(separator: ":").contains { access("\($0)/\(name)", X_OK) == 0 }
}
