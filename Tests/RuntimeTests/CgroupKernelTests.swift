import Linux
import TestSupport
import Testing

@testable import Runtime

/// A group of the real kernel's under a parent of the test's own, removed with it.
final class KernelGroup {
  let hierarchy: CgroupHierarchy
  let parent = "/minidock-test-\(randomHex(bytes: 5))"
  let cgroup: Cgroup

  init(_ resources: Resources = Resources()) throws {
    hierarchy = try CgroupHierarchy.detect()
    do {
      cgroup = try Cgroup.create(path: parent + "/c", resources: resources, in: hierarchy)
    } catch {
      KernelGroup.removeParent(parent, hierarchy)
      throw error
    }
  }

  deinit {
    try? cgroup.kill()
    try? cgroup.remove()
    KernelGroup.removeParent(parent, hierarchy)
  }

  static func removeParent(_ parent: String, _ hierarchy: CgroupHierarchy) {
    try? Cgroup(existing: parent, in: hierarchy).remove()
  }

  /// Shell words with which a shell joins the group.
  var join: String {
    let files = cgroup.joinPaths + [cgroup.unifiedJoinPath].compactMap { $0 }
    return files.map { "echo $$ > \($0) && " }.joined()
  }

  /// Runs a shell command inside the group.
  func shell(_ command: String) throws -> CommandResult {
    try run(["sh", "-c", join + command], timeoutSeconds: 30)
  }

  /// The directory of a controller's files.
  func directory(_ controller: CgroupController) -> ControlDirectory? {
    hierarchy.directory(of: controller, cgroup.path)
  }
}

private func hostHas(_ controllers: CgroupController...) -> Bool {
  guard isRoot, let host = try? CgroupHierarchy.detect() else { return false }
  return controllers.allSatisfy { host.version(of: $0) != nil }
}

private let isHybrid = isRoot && (try? CgroupHierarchy.detect())?.mode == .hybrid

@Suite(.serialized) struct CgroupKernelTests {
  @Test(
    .enabled(if: hostHas(.memory, .pids, .cpu), "needs root and memory, pids and cpu controllers"))
  func `limits arrive in the kernel, and nothing is left after removal`() throws {
    var resources = Resources()
    resources.memory = .init(limit: 64 << 20)
    resources.cpu = .init(nanoCPUs: 500_000_000)
    resources.pids = .init(limit: 17)
    var paths: [String] = []
    do {
      let group = try KernelGroup(resources)
      let memory = try #require(group.directory(.memory))
      let limit = memory.number("memory.limit_in_bytes") ?? memory.number("memory.max")
      #expect(limit == 64 << 20)
      #expect(group.directory(.pids)?.number("pids.max") == 17)
      let cpu = try #require(group.directory(.cpu))
      #expect(cpu.number("cpu.cfs_quota_us") == 50_000 || cpu.text("cpu.max") == "50000 100000")
      #expect(group.cgroup.statistics().memoryLimit == 64 << 20)
      #expect(group.cgroup.exists)
      paths = group.cgroup.groups.map(\.path) + [group.cgroup.unified?.path].compactMap { $0 }
      #expect(!paths.isEmpty)
    }
    for path in paths {
      #expect(!Files.exists(path), "\(path)")
      #expect(!Files.exists(Files.parent(of: path)))
    }
  }

  @Test(.enabled(if: hostHas(.memory), "needs root and a memory controller"))
  func `a process beyond the memory limit is killed and counted`() throws {
    var resources = Resources()
    resources.memory = .init(limit: 24 << 20)
    let group = try KernelGroup(resources)
    #expect(group.cgroup.oomKills() == 0)
    // One line of 400 MB: tail has to keep it.
    let big = "head -c 400000000 /dev/zero | tail -n 1 > /dev/null"
    #expect(try group.shell(big + "; exit $?").status != 0)
    #expect(group.cgroup.oomKills() > 0)
    #expect(group.cgroup.statistics().oomKills > 0)
    // The control: without the limit the same command ends well.
    let free = try KernelGroup()
    #expect(try free.shell(big + "; exit $?").status == 0)
    #expect(free.cgroup.oomKills() == 0)
  }

  @Test(.enabled(if: hostHas(.memory), "needs root and a memory controller"))
  func `memory and swap are raised and lowered in the order that the kernel needs`() throws {
    let host = try CgroupHierarchy.detect()
    var resources = Resources()
    let hasSwap = host.accountsSwap
    resources.memory = .init(limit: 32 << 20, swap: hasSwap ? 64 << 20 : nil)
    let group = try KernelGroup(resources)
    for limit in [128 << 20, 16 << 20, 256 << 20] as [Int64] {
      resources.memory = .init(limit: limit, swap: hasSwap ? limit * 2 : nil)
      try group.cgroup.apply(resources)
      #expect(group.cgroup.statistics().memoryLimit == UInt64(limit))
    }
    resources.memory = .init(limit: -1)
    try group.cgroup.apply(resources)
    #expect(group.cgroup.statistics().memoryLimit == nil)
  }

  @Test(.enabled(if: hostHas(.pids), "needs root and a pids controller"))
  func `no more tasks than the pids limit`() throws {
    var resources = Resources()
    resources.pids = .init(limit: 3)
    let group = try KernelGroup(resources)
    let many = "for i in 1 2 3 4 5 6; do sleep 0.2 & done; wait; echo all"
    #expect(try group.shell(many).errors.contains("fork"))
    resources.pids = .init(limit: -1)
    try group.cgroup.apply(resources)
    #expect(try group.shell(many).output.contains("all"))
  }

  @Test(.enabled(if: hostHas(.devices), "needs root and device rules"))
  func `a denied device cannot be opened, and can without the rules`() throws {
    var resources = Resources()
    resources.devices = DeviceRule.containerDefaults
    let group = try KernelGroup(resources)
    // /dev/kmsg (1:11) is not among the defaults.
    let open = "exec 3< /dev/kmsg && echo opened"
    #expect(try !group.shell(open).output.contains("opened"))
    #expect(try group.shell("head -c 4 /dev/urandom > /dev/null && echo ok").output == "ok\n")
    resources.devices =
      DeviceRule.containerDefaults
      + [DeviceRule(allow: true, type: "c", major: 1, minor: 11, access: "r")]
    try group.cgroup.apply(resources)
    #expect(try group.shell(open).output == "opened\n")
    resources.devices = DeviceRule.containerDefaults
    try group.cgroup.apply(resources)
    #expect(try !group.shell(open).output.contains("opened"))
    #expect(try KernelGroup().shell(open).output == "opened\n")
  }

  @Test(.enabled(if: isHybrid, "needs root and a hybrid host"))
  func `the device program works on a v2 group and is replaced without a gap`() throws {
    let group = try KernelGroup()
    let path = try #require(group.cgroup.directoryForClone)
    let controller = DevicesController(path, .v2)
    let open = "exec 3< /dev/kmsg && echo opened"
    try controller.apply(try DevicePolicy(DeviceRule.containerDefaults), isNew: true)
    #expect(try !group.shell(open).output.contains("opened"))
    #expect(try group.shell("echo x > /dev/null && echo ok").output == "ok\n")
    try controller.apply(try DevicePolicy(DeviceRule.allowAll), isNew: false)
    #expect(try group.shell(open).output == "opened\n")
    let directory = try Descriptor.open(path, .directory)
    #expect(try BPF.devicePrograms(of: directory, name: path).count == 1)
  }

  @Test(.enabled(if: isRoot, "needs root"))
  func `frozen processes stand still, thawed ones go on, and killed ones are gone`() throws {
    let group = try KernelGroup()
    let directory = try TemporaryDirectory("freeze")
    let file = try directory.write("count", "")
    // The background shell outlives the one that started it.
    _ = try group.shell(
      "{ (while :; do echo >> \(file); sleep 0.01; done) < /dev/null > /dev/null 2>&1 & }")
    func size() throws -> Int { try Files.read(file)?.count ?? 0 }
    func waitForGrowth(from start: Int) throws -> Bool {
      for _ in 0..<500 {
        if try size() > start { return true }
        pause(microseconds: 10_000)
      }
      return false
    }
    #expect(try waitForGrowth(from: 0))
    try group.cgroup.freeze()
    #expect(group.cgroup.isFrozen)
    let frozen = try size()
    pause(microseconds: 200_000)
    #expect(try size() == frozen)
    #expect(!group.cgroup.processes().isEmpty)
    try group.cgroup.thaw()
    #expect(try waitForGrowth(from: frozen))
    try group.cgroup.freeze()
    try group.cgroup.kill()
    // The kernel may still be at it when kill() returns.
    for _ in 0..<500 where !group.cgroup.processes().isEmpty { pause(microseconds: 10_000) }
    #expect(group.cgroup.processes().isEmpty)
    try group.cgroup.remove()
    #expect(!group.cgroup.exists)
  }

  @Test(.enabled(if: hostHas(.cpu), "needs root and a cpu controller"))
  func `a limit added later reaches the processes that run already`() throws {
    let group = try KernelGroup()
    _ = try group.shell("{ sleep 60 < /dev/null > /dev/null 2>&1 & }")
    let before = group.cgroup.processes()
    #expect(before.count == 1)
    var resources = Resources()
    resources.cpu = .init(shares: 256)
    try group.cgroup.apply(resources)
    let cpu = try #require(group.directory(.cpu))
    #expect(cpu.words("cgroup.procs").compactMap { Int32($0) } == before)
    try group.cgroup.kill()
  }

  @Test(.enabled(if: isRoot, "needs root"))
  func `groups that the container made below are removed too`() throws {
    let group = try KernelGroup()
    let top = try #require(group.cgroup.unified ?? group.cgroup.groups.first)
    #expect(try ControlDirectory(top.file("inner")).make())
    #expect(try ControlDirectory(top.file("inner/most")).make())
    try group.cgroup.remove()
    #expect(!top.exists)
  }

  @Test(.enabled(if: isHybrid, "needs root and a hybrid host"))
  func `a v2 limit on a controller that is in a v1 tree is an error that names it`() throws {
    let host = try CgroupHierarchy.detect()
    var resources = Resources()
    resources.unified = ["memory.high": "100000"]
    let wanted = resources
    let path = "/minidock-test-\(randomHex(bytes: 5))"
    let error = thrownBy { () throws(Failure) in
      _ = try Cgroup.create(path: path, resources: wanted, in: host)
    }
    #expect(error?.code == .unsupported)
    #expect(error?.description.contains("memory controller of cgroup v2") == true)
    #expect(!Cgroup(existing: path, in: host).exists)
  }

  @Test(.enabled(if: isRoot, "needs root"))
  func `a limit that the kernel refuses leaves no group behind`() throws {
    let host = try CgroupHierarchy.detect()
    var resources = Resources()
    resources.cpu = .init(cpus: "4000-4001")
    let wanted = resources
    let path = "/minidock-test-\(randomHex(bytes: 5))"
    let error = thrownBy { () throws(Failure) in
      _ = try Cgroup.create(path: path, resources: wanted, in: host)
    }
    #expect(error != nil)
    #expect(error?.description.contains("cpuset cpus") == true)
    #expect(!Cgroup(existing: path, in: host).exists)
  }
}
