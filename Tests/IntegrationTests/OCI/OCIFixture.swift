import Glibc
import Linux
import TestSupport
import Testing

/// Bundles of a test's own, with the bundled busybox as their root, run by `minidock-oci` with a `--root` of
/// their own. Containers, their groups and files are gone with the fixture.
final class OCIFixture: Sendable {
  /// Directory, sentinel and trees.
  let base: MinidockFixture
  /// What ids start with: a group's name is its container's id, and hosts have other containers.
  let prefix: String
  /// The root file system of every bundle, which is writable.
  let rootfs: String

  /// `--root`.
  var root: String { base.file("state") }

  init(_ label: String, changes: String = "") throws {
    base = try MinidockFixture("oci-" + label)
    prefix = "oci" + randomHex(bytes: 4)
    rootfs = try base.makeTree("rootfs", changes: "mkdir -p tools data\n" + changes)
  }

  deinit {
    for id in (try? Files.list(root)) ?? [] where !id.hasPrefix(".") {
      _ = try? oci("delete", "--force", id)
    }
  }

  /// Runs `minidock-oci --root … ARGUMENTS` to its end.
  @discardableResult
  func oci(
    _ arguments: [String], input: [UInt8] = [], program: [String] = [MinidockFixture.runtime]
  ) throws -> CommandResult {
    try TestSupport.run(program + ["--root", root] + arguments, input: input, timeoutSeconds: 120)
  }

  /// Runs `minidock-oci --root … ARGUMENTS` to its end.
  @discardableResult
  func oci(_ arguments: String...) throws -> CommandResult { try oci(arguments) }

  /// Starts `minidock-oci --root … ARGUMENTS`.
  func start(_ arguments: [String]) throws -> BackgroundProcess {
    try BackgroundProcess([MinidockFixture.runtime, "--root", root] + arguments)
  }

  /// An id that no other test has.
  func id(_ name: String) -> String { "\(prefix)-\(name)" }

  /// Writes a bundle and returns its path.
  func bundle(
    _ name: String, _ command: [String], _ change: (inout OCIConfig) throws -> Void = { _ in }
  ) throws -> String {
    let path = base.file("bundle-" + name)
    if !Files.exists(path) { try Files.claimDirectory(path, mode: 0o755) }
    var config = try OCIConfig(rootfs: rootfs, command: command)
    try change(&config)
    try Files.replace(
      path + "/config.json", with: Array(config.value.compact.utf8), mode: 0o644)
    return path
  }

  /// Runs a shell script in a container of its own, which is gone afterwards.
  @discardableResult
  func run(
    _ script: String, flags: [String] = [], _ change: (inout OCIConfig) throws -> Void = { _ in }
  ) throws -> CommandResult {
    let name = "run" + randomHex(bytes: 3)
    let path = try bundle(name, ["sh", "-c", script], change)
    return try oci(["run", "--bundle", path] + flags + [id(name)])
  }

  /// Expects a script in a container of its own to print this.
  func expect(
    _ script: String, prints expected: String,
    _ change: (inout OCIConfig) throws -> Void = { _ in },
    location: SourceLocation = #_sourceLocation
  ) throws {
    let result = try run(script, change)
    #expect(result.output == expected, "\(result)", sourceLocation: location)
  }

  /// Expects a bundle to be refused with one line that holds `text`, and nothing of it to be left.
  func expectRefused(
    _ text: String, _ change: (inout OCIConfig) throws -> Void,
    location: SourceLocation = #_sourceLocation
  ) throws {
    let name = "no" + randomHex(bytes: 3)
    let path = try bundle(name, ["true"], change)
    expectFailure(
      try oci("create", "--bundle", path, id(name)), text, location: location)
    let left = leftovers(id(name))
    #expect(left.isEmpty, "\(left)", sourceLocation: location)
  }

  /// Expects status 1 and one line on standard error that holds `text`.
  func expectFailure(
    _ result: CommandResult, _ text: String, location: SourceLocation = #_sourceLocation
  ) {
    #expect(result.status == 1, "\(result)", sourceLocation: location)
    let lines = result.errors.split(separator: "\n")
    #expect(
      lines.count == 1 && result.errors.hasPrefix("minidock-oci: ") && result.errors.contains(text),
      "\(text): \(result)", sourceLocation: location)
  }

  /// Creates a container that sleeps, with detached streams.
  @discardableResult
  func create(
    _ name: String, _ command: [String] = ["sleep", "1000"], flags: [String] = [],
    _ change: (inout OCIConfig) throws -> Void = { _ in }
  ) throws -> String {
    let path = try bundle(name, command, change)
    let result = try oci(["create", "--bundle", path] + flags + [id(name)])
    guard result.status == 0 else {
      throw Failure(.invalid, "create", name, reason: "\(result)")
    }
    return id(name)
  }

  /// Creates and starts a container that sleeps.
  func running(
    _ name: String, _ command: [String] = ["sleep", "1000"],
    _ change: (inout OCIConfig) throws -> Void = { _ in }
  ) throws -> String {
    let id = try create(name, command, change)
    let result = try oci("start", id)
    guard result.status == 0 else { throw Failure(.invalid, "start", id, reason: "\(result)") }
    return id
  }

  /// The state document; nil when there is no such container.
  func state(_ id: String) throws -> JSONValue? {
    let result = try oci("state", id)
    return result.status == 0 ? try JSONValue(parsing: Array(result.output.utf8)) : nil
  }

  /// The status in the state document; "" when there is no such container.
  func status(_ id: String) throws -> String { try state(id)?["status"]?.plainText ?? "" }

  /// The first process's pid.
  func pid(_ id: String) throws -> Int32 {
    guard case .number(let pid) = try state(id)?["pid"] else { return 0 }
    return Int32(pid)
  }

  /// Waits for a status: whoever reaps the host's processes may take a while.
  func wait(_ id: String, for status: String) throws -> Bool {
    for _ in 0..<1200 {
      if try self.status(id) == status { return true }
      usleep(50_000)
    }
    return false
  }

  /// Waits until a condition holds.
  func wait(_ condition: () throws -> Bool) throws -> Bool {
    for _ in 0..<1200 {
      if try condition() { return true }
      usleep(50_000)
    }
    return false
  }

  /// What is left of a container: its directory, groups, mounts.
  func leftovers(_ id: String) -> [String] {
    var found: [String] = []
    if Files.exists(root + "/" + id) { found.append(root + "/" + id) }
    let top = "/sys/fs/cgroup"
    for tree in [top] + ((try? Files.list(top)) ?? []).map({ "\(top)/\($0)" }) {
      let group = "\(tree)/minidock-oci/\(id)"
      if Files.exists(group) { found.append(group) }
    }
    let mounts = (Files.text("/proc/self/mountinfo") ?? "").split(separator: "\n")
    found += mounts.filter { $0.contains(base.directory) }.map(String.init)
    return found
  }

  /// Starts tools/receive.py on a socket and waits until it listens.
  func receiver(_ mode: String, _ path: String) throws -> BackgroundProcess {
    let script = try base.write("receive.py", receiverSource)
    let process = try BackgroundProcess(["python3", script, mode, path])
    try #require(try process.wait(untilOutput: { $0.contains("ready") }, timeoutSeconds: 60))
    return process
  }
}

/// Listens at a unix socket for one descriptor, as an engine does, and uses it: "tty" types a line,
/// "pidfd" tells whose it is, "notify" answers one question with EPERM.
private let receiverSource = #"""
  import array, fcntl, os, socket, struct, sys
  mode, path = sys.argv[1:]
  server = socket.socket(socket.AF_UNIX)
  server.bind(path)
  server.listen(1)
  print("ready", flush=True)
  connection, _ = server.accept()
  data, control, _, _ = connection.recvmsg(65536, 64)
  numbers = array.array("i")
  for _, _, bytes_ in control: numbers.frombytes(bytes_)
  print(data.decode(), len(numbers), flush=True)
  number = numbers[0]
  if mode == "tty":
      os.write(number, b"typed\n")
      while True:
          try: text = os.read(number, 4096)
          except OSError: break
          if not text: break
          sys.stdout.write(text.decode()); sys.stdout.flush()
  elif mode == "pidfd":
      print([line for line in open("/proc/self/fdinfo/%d" % number) if line.startswith("Pid:")][0].strip())
  elif mode == "notify":
      question = bytearray(80)
      fcntl.ioctl(number, 0xc0502100, question)
      identity, pid, _, call = struct.unpack("=QIIi", question[:20])
      print("question", call, flush=True)
      fcntl.ioctl(number, 0xc0182101, bytearray(struct.pack("=QqiI", identity, 0, -1, 0)))
  """#

/// A config.json under change.
struct OCIConfig {
  /// The document.
  var value: JSONValue

  init(rootfs: String, command: [String]) throws {
    value = try JSONValue(
      parsing: Array(
        """
        {"ociVersion":"1.2.0","root":{"path":"\(rootfs)"},"hostname":"inside",
        "process":{"cwd":"/","env":["PATH=/bin:/usr/bin:/sbin:/usr/sbin"],"user":{"uid":0,"gid":0},
         "args":\(JSONValue.strings(command).compact),
         "capabilities":{"bounding":\(OCIConfig.capabilities),"effective":\(OCIConfig.capabilities),
          "permitted":\(OCIConfig.capabilities)}},
        "mounts":[{"destination":"/proc","type":"proc","source":"proc"},
         {"destination":"/dev","type":"tmpfs","source":"tmpfs",
          "options":["nosuid","strictatime","mode=755","size=65536k"]},
         {"destination":"/dev/pts","type":"devpts","source":"devpts",
          "options":["nosuid","noexec","newinstance","ptmxmode=0666","mode=0620"]},
         {"destination":"/sys","type":"sysfs","source":"sysfs",
          "options":["nosuid","noexec","nodev","ro"]}],
        "linux":{"namespaces":[{"type":"mount"},{"type":"pid"},{"type":"network"},{"type":"ipc"},
         {"type":"uts"},{"type":"cgroup"}]}}
        """.utf8))
  }

  private static let capabilities = #"""
    ["CAP_CHOWN","CAP_DAC_OVERRIDE","CAP_FOWNER","CAP_KILL","CAP_SETUID","CAP_SETGID"]
    """#

  /// Sets a member by its path ("linux.sysctl") to a JSON text.
  mutating func set(_ path: String, _ text: String) throws {
    let steps = path.split(separator: ".").map(String.init)
    value = try value.setting(steps[...], JSONValue(parsing: Array(text.utf8)))
  }

  /// Removes a member.
  mutating func remove(_ path: String) throws { try set(path, "null") }

  /// Appends a JSON text to a list.
  mutating func append(_ path: String, _ text: String) throws {
    var items: [JSONValue] = []
    var found: JSONValue? = value
    for step in path.split(separator: ".") { found = found?[String(step)] }
    if case .array(let list) = found { items = list }
    items.append(try JSONValue(parsing: Array(text.utf8)))
    value = value.setting(path.split(separator: ".").map(String.init)[...], .array(items))
  }

  /// A user namespace whose ids are the host's from `first` on.
  mutating func mapUsers(from first: Int = 100_000, count: Int = 65536) throws {
    try append("linux.namespaces", #"{"type":"user"}"#)
    let range = "[{\"containerID\":0,\"hostID\":\(first),\"size\":\(count)}]"
    try set("linux.uidMappings", range)
    try set("linux.gidMappings", range)
  }
}

extension JSONValue {
  fileprivate func setting(_ path: ArraySlice<String>, _ new: JSONValue) -> JSONValue {
    guard let key = path.first else { return new }
    var members: [(key: String, value: JSONValue)] = []
    if case .object(let found) = self { members = found }
    let rest = path.dropFirst()
    if let index = members.firstIndex(where: { $0.key == key }) {
      members[index].value = members[index].value.setting(rest, new)
    } else {
      members.append((key, JSONValue.object([]).setting(rest, new)))
    }
    return .object(members)
  }

  /// The text; nil for anything else.
  var plainText: String? {
    guard case .string(let text) = self else { return nil }
    return text
  }
}
