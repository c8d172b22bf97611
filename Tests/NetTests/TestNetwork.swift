import Glibc
import Linux
import TestSupport

@testable import Net

/// Whether the tests that make namespaces can run.
let canMakeNetworks = isRoot && ["ip", "nft", "busybox"].allSatisfy(hasProgram)

/// A network namespace of a test's own, deleted when the test lets go of it.
final class TestNamespace: Sendable {
  let name = "md-test-" + randomHex(bytes: 4)
  private let handle: Descriptor

  init() throws {
    try TestNamespace.check(["ip", "netns", "add", name])
    handle = try Descriptor.open("/run/netns/\(name)", .read)
    try ip("link", "set", "lo", "up")
  }

  deinit { _ = try? run(["ip", "netns", "del", name]) }

  /// The namespace, as a container's /proc/PID/ns/net.
  var descriptor: Int32 { handle.raw }

  /// Runs `body` on this thread in the namespace.
  ///
  /// With no signal blocked meanwhile: threads of the test runner block all, and programs started
  /// from there inherit that and wait for ever on their timers.
  func inside<Value>(_ body: () throws -> Value) throws -> Value {
    var none = sigset_t()
    var before = sigset_t()
    sigemptyset(&none)
    pthread_sigmask(SIG_SETMASK, &none, &before)
    defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
    return try NetworkNamespace.inside(handle.raw) { () throws(Failure) in Result { try body() } }
      .get()
  }

  /// Runs a program in the namespace; its output.
  @discardableResult
  func command(_ arguments: [String], input: String = "") throws -> String {
    try inside { try TestNamespace.check(arguments, input: input) }
  }

  @discardableResult
  func ip(_ arguments: String...) throws -> String { try command(["ip", "-j"] + arguments) }

  /// Whether an answer to one of two pings comes back.
  func pings(_ address: String, from source: String? = nil) throws -> Bool {
    let origin = source.map { ["-I", $0] } ?? []
    return try inside {
      try run(
        ["busybox", "ping", "-c", "2", "-i", "0.2", "-W", "1", "-w", "2"] + origin + [address]
      )
      .status == 0
    }
  }

  /// Connects `self`'s `link` with `peer`'s of the same name, each with an address and a prefix.
  func connect(_ link: String, _ address: String, to peer: TestNamespace, _ far: String) throws {
    try ip("link", "add", link, "type", "veth", "peer", "name", link, "netns", peer.name)
    for (namespace, own) in [(self, address), (peer, far)] {
      try namespace.ip("address", "add", own, "dev", link)
      try namespace.ip("link", "set", link, "up")
    }
  }

  @discardableResult
  private static func check(_ arguments: [String], input: String = "") throws -> String {
    let result = try run(arguments, input: Array(input.utf8))
    guard result.status == 0 else {
      throw Failure(
        .system, "run", arguments.joined(separator: " "), reason: result.errors + result.output)
    }
    return result.output
  }
}

/// A host in a namespace of its own, with a minidock root of its own.
final class TestHost: Sendable {
  let namespace: TestNamespace
  let network: NetworkHost
  private let directory: TemporaryDirectory

  init(in namespace: TestNamespace? = nil) throws {
    self.namespace = try namespace ?? TestNamespace()
    directory = try TemporaryDirectory("net")
    network = NetworkHost(stateRoot: directory.file("state"), runRoot: directory.file("run"))
    guard namespace == nil else { return }
    // A new namespace has the value that the machine's first one has at that moment.
    try self.namespace.inside { try Files.write("0", into: "/proc/sys/net/ipv4/ip_forward") }
  }

  @discardableResult
  func ensureBridge() throws -> BridgeNetwork {
    try namespace.inside { try network.ensureBridge() }
  }

  /// A container: a namespace that is connected as `run` does it.
  func container(
    _ owner: String, ports: [PublishedPort] = []
  ) throws -> (namespace: TestNamespace, lease: Lease) {
    let inner = try TestNamespace()
    let lease = try namespace.inside {
      let bridge = try network.ensureBridge()
      let lease = try network.lease(owner: owner, on: bridge) { _ in true }
      try network.attach(owner: owner, netns: inner.descriptor, to: bridge, lease: lease)
      try network.configure(netns: inner.descriptor, lease: lease)
      try network.firewall.add(
        FirewallEndpoint(
          owner: owner, link: NetworkHost.hostLinkName(owner: owner), bridge: bridge.device,
          mac: lease.mac, address: lease.address, ports: ports)
      ) { _ in true }
      return lease
    }
    return (inner, lease)
  }

  /// What `nft list ruleset` shows, without the numbers of minidock's transactions.
  func rules() throws -> String {
    var isNumber = false
    return try namespace.command(["nft", "list", "ruleset"]).split(
      separator: "\n", omittingEmptySubsequences: false
    ).filter { line in
      if line.contains("elements = { 0x") { isNumber = true }
      defer { if line.hasSuffix("}") { isNumber = false } }
      return !isNumber
    }.joined(separator: "\n")
  }

  /// The numbers of minidock's transactions that the kernel keeps.
  func generations() throws -> Int {
    let listed = try namespace.command(["nft", "list", "set", "inet", network.table, "generation"])
    return listed.split(separator: "0x").count - 1
  }

  /// Deletes the table of what the host routes, for negative controls.
  func deleteRules() throws {
    try namespace.command(["nft", "delete", "table", "inet", network.table])
  }

  /// A sysctl below /proc/sys/net.
  func sysctl(_ path: String) throws -> String? {
    try namespace.inside { Files.text("/proc/sys/net/" + path) }
  }
}

/// Runs `body` on `count` threads at once, each starting in the namespace if there is one, and
/// returns what they threw.
func onThreads(
  _ count: Int, in namespace: TestNamespace? = nil, _ body: @escaping @Sendable (Int) throws -> Void
) -> [String] {
  final class Job: Sendable {
    let work: @Sendable () -> Void
    init(_ work: @escaping @Sendable () -> Void) { self.work = work }
  }
  let failures = FailureLog()
  var threads: [pthread_t] = []
  for number in 0..<count {
    let job = Job {
      do {
        if let namespace { try namespace.inside { try body(number) } } else { try body(number) }
      } catch { failures.add("\(error)") }
    }
    var thread = pthread_t()
    let started = pthread_create(
      &thread, nil,
      { argument in
        Unmanaged<Job>.fromOpaque(argument!).takeRetainedValue().work()
        return nil
      }, Unmanaged.passRetained(job).toOpaque())
    if started == 0 { threads.append(thread) } else { failures.add("thread \(started)") }
  }
  for thread in threads { pthread_join(thread, nil) }
  return failures.all
}

/// What threads report, under a lock.
final class FailureLog: @unchecked Sendable {
  private var lines: [String] = []
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)

  init() { pthread_mutex_init(mutex, nil) }

  deinit {
    pthread_mutex_destroy(mutex)
    mutex.deallocate()
  }

  func add(_ line: String) {
    pthread_mutex_lock(mutex)
    lines.append(line)
    pthread_mutex_unlock(mutex)
  }

  var all: [String] {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    return lines
  }
}

/// Waiting in tests.
enum Clock {
  static func pause(milliseconds: UInt32) { usleep(milliseconds * 1000) }
}
