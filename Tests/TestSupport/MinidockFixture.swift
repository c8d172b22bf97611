import Glibc
import Linux
import Testing

/// An installation of minidock of a test's own, used from outside through the executable.
///
/// Everything is below one directory (on a tmpfs where there is one) and undone with the fixture:
/// containers, their processes, cgroups, the bridge and its nf_tables table, mounts, files.
///
/// `MINIDOCK_BINARY` names the executable; suites that use this are `.enabled(if:
/// MinidockFixture.isAvailable, MinidockFixture.requirement)`.
public final class MinidockFixture: Sendable {
  /// The executable under test; empty when the environment names none.
  public static let binary = getenv("MINIDOCK_BINARY").map { String(cString: $0) } ?? ""

  /// The OCI runtime under test, which is built beside ``binary``.
  public static let runtime = binary + "-oci"

  /// Whether there are executables to test, an image, and the rights to run it.
  public static let isAvailable =
    isRoot && !binary.isEmpty && access(binary, X_OK) == 0 && access(runtime, X_OK) == 0
    && getenv("MINIDOCK_IMAGES").map { access(String(cString: $0) + "/busybox.tar", R_OK) == 0 }
      ?? false

  /// Flags of `run` by which a container has the host's programs, Python for one, with their libraries.
  public static let hostPrograms = ["usr", "lib", "lib64"].flatMap {
    ["-v", "/\($0):/\($0):ro"]
  }

  /// What a disabled suite says.
  public static let requirement: Comment =
    "needs root, MINIDOCK_BINARY=<executable> with minidock-oci beside it, and MINIDOCK_IMAGES=<folder> (make test sets them)"

  /// The directory that holds everything of this fixture.
  public let directory: String
  /// The durable root.
  public let root: String
  /// The run root.
  public let runRoot: String
  /// A host directory that nothing in a container may change; see ``sentinelHash()``.
  public let sentinel: String

  /// Makes an empty installation and a sentinel directory.
  public init(_ label: String = "run") throws {
    let base =
      getenv("MINIDOCK_TEST_DIR").map { String(cString: $0) }
      ?? (access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp")
    directory = "\(base)/minidock-\(label)-\(randomHex(bytes: 5))"
    root = directory + "/root"
    runRoot = directory + "/run"
    sentinel = directory + "/sentinel"
    try Files.claimDirectory(directory, mode: 0o755)
    try Files.claimDirectory(sentinel, mode: 0o755)
    try Files.claimDirectory(sentinel + "/folder", mode: 0o755)
    for name in ["file", "null", "console", "folder/inside"] {
      try Files.replace(sentinel + "/" + name, with: Array("sentinel \(name)\n".utf8), mode: 0o644)
    }
  }

  deinit { cleanUp() }

  // MARK: - Running minidock

  /// What is added to the environment of every minidock of this fixture.
  public var environment: [String] { ["MINIDOCK_ROOT=\(root)", "MINIDOCK_RUNROOT=\(runRoot)"] }

  /// Runs `minidock ARGUMENTS` to its end.
  @discardableResult
  public func minidock(
    _ arguments: [String], input: [UInt8] = [], environment extra: [String] = [],
    timeoutSeconds: Int = 60
  ) throws -> CommandResult {
    try TestSupport.run(
      [MinidockFixture.binary] + arguments, input: input, environment: environment + extra,
      timeoutSeconds: timeoutSeconds)
  }

  /// Runs `minidock ARGUMENTS` to its end.
  @discardableResult
  public func minidock(_ arguments: String...) throws -> CommandResult { try minidock(arguments) }

  /// Runs `minidock run --rm --network none ARGUMENTS` to its end.
  @discardableResult
  public func run(_ arguments: String...) throws -> CommandResult { try run(arguments) }

  /// Runs `minidock run --rm --network none ARGUMENTS` to its end.
  @discardableResult
  public func run(
    _ arguments: [String], input: [UInt8] = [], timeoutSeconds: Int = 60
  ) throws -> CommandResult {
    try minidock(
      ["run", "--rm", "--network", "none"] + arguments, input: input,
      timeoutSeconds: timeoutSeconds)
  }

  /// Starts `minidock ARGUMENTS` and leaves it running; ended with the returned object.
  public func start(_ arguments: String..., input: Int32 = -1) throws -> BackgroundProcess {
    try BackgroundProcess(
      [MinidockFixture.binary] + arguments, environment: environment, input: input)
  }

  /// Runs a shell script, in which `$MINIDOCK` is the executable and the installation is this one.
  public func shell(
    _ script: String, _ arguments: String..., timeoutSeconds: Int = 120
  ) throws -> CommandResult {
    try TestSupport.run(
      ["bash", "-c", script, "test"] + arguments,
      environment: environment + ["MINIDOCK=\(MinidockFixture.binary)", "DIRECTORY=\(directory)"],
      timeoutSeconds: timeoutSeconds)
  }

  // MARK: - Files and images

  /// A path in the fixture's directory.
  public func file(_ name: String) -> String { directory + "/" + name }

  /// Writes a file below the fixture's directory and returns its path.
  @discardableResult
  public func write(_ name: String, _ text: String, mode: UInt32 = 0o644) throws -> String {
    try Files.replace(file(name), with: Array(text.utf8), mode: mode)
    return file(name)
  }

  /// Imports an image that is the bundled busybox changed by a shell script; see ``makeTree(_:changes:)``.
  public func importImage(_ name: String, changes: String) throws {
    let tree = try makeTree("tree-" + randomHex(bytes: 3), changes: changes)
    try importTree(tree, as: name)
    try Files.removeTree(tree)
  }

  /// Unpacks the bundled busybox below the fixture's directory and changes it by a shell script, which
  /// runs in the tree on the host; `$SENTINEL` is the sentinel's path. Returns the tree's path.
  public func makeTree(_ name: String, changes: String) throws -> String {
    let result = try shell(
      """
      set -e
      SENTINEL="$2"
      mkdir "$1"
      cd "$1"
      tar -xf "$MINIDOCK_IMAGES/busybox.tar"
      \(changes)
      """, file(name), sentinel)
    guard result.status == 0 else {
      throw Failure(.invalid, "make", name, reason: result.errors + result.output)
    }
    return file(name)
  }

  /// Imports a directory's tree as an image.
  public func importTree(_ path: String, as name: String) throws {
    let result = try shell(#"tar -C "$1" -cf - . | "$MINIDOCK" import - "$2""#, path, name)
    guard result.status == 0 else {
      throw Failure(.invalid, "import", name, reason: result.errors + result.output)
    }
  }

  /// One text that tells everything about the sentinel: kinds, modes, owners, times, targets, content.
  public func sentinelHash() throws -> String { try treeHash(sentinel) }
}

/// One digest of everything about a tree: kinds, modes, owners, device numbers, sizes, modification
/// times, targets and content.
public func treeHash(_ path: String) throws -> String {
  let script = """
    cd "$1" && { find . -printf '%P|%y|%m|%U|%G|%s|%T@|%l\\n' | LC_ALL=C sort
    find . -type f -exec sha256sum {} + | LC_ALL=C sort
    find . \\( -type c -o -type b \\) -exec stat -c '%n %t:%T' {} + | LC_ALL=C sort; } | sha256sum
    """
  let result = try run(["sh", "-c", script, "hash", path])
  guard result.status == 0 else { throw Failure(.invalid, "hash", path, reason: result.errors) }
  return result.output
}
