import Linux
import TestSupport
import Testing

@testable import Runtime

@Suite struct CgroupHierarchyTests {
  private func hierarchy(_ text: String) throws -> CgroupHierarchy {
    try CgroupHierarchy(mountinfo: Array(text.utf8))
  }

  @Test func `a v2 host`() throws {
    let tree = try FakeGroup(["cgroup.controllers": "cpuset cpu io memory hugetlb pids rdma\n"])
    let found = try hierarchy(
      """
      22 27 0:21 / /proc rw,relatime - proc proc rw
      30 23 0:26 / \(tree.path) rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate

      """)
    #expect(found.mode == .v2)
    #expect(found.unified == tree.path)
    #expect(found.version(of: .memory) == .v2)
    #expect(found.version(of: .blkio) == .v2)
    #expect(found.version(of: .freezer) == .v2)
    #expect(found.version(of: .networkClass) == nil)
    #expect(found.directory(of: .pids, "/a")?.path == tree.path + "/a")
  }

  @Test func `a hybrid host has each controller where it really is`() throws {
    let unified = try FakeGroup(["cgroup.controllers": "hugetlb\n"])
    let found = try hierarchy(
      """
      31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
      32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
      35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
      40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd
      41 31 0:38 / \(unified.path) rw,relatime - cgroup2 cgroup2 rw
      """)
    #expect(found.mode == .hybrid)
    #expect(found.version(of: .memory) == .v1)
    #expect(found.version(of: .hugetlb) == .v2)
    #expect(found.version(of: .pids) == nil)
    #expect(found.mount(.cpu) == "/sys/fs/cgroup/cpu,cpuacct")
    #expect(found.trees == ["/sys/fs/cgroup/memory", "/sys/fs/cgroup/cpu,cpuacct"])
    #expect(found.directory(of: .hugetlb, "/x")?.path == unified.path + "/x")
  }

  @Test func `a pure v1 host, mounted at odd places, with mounts that only look alike`() throws {
    let found = try hierarchy(
      """
      10 1 0:1 / /c\\040g/mem rw - cgroup none rw,memory
      11 1 0:2 / /cgroup-like rw - cgroupfs none rw,pids
      12 1 0:3 / /srv/cgroup rw - ext4 /dev/sda rw,pids
      13 1 0:4 /sub /later/bind rw - cgroup none rw,memory
      """)
    #expect(found.mode == .v1)
    #expect(found.mount(.memory) == "/c g/mem")
    #expect(found.mount(.pids) == nil)
    #expect(found.version(of: .freezer) == nil)
  }

  @Test func `without any cgroup file system the error says what to mount`() {
    let error = thrownBy { () throws(Failure) in
      _ = try CgroupHierarchy(mountinfo: Array("22 27 0:21 / /proc rw - proc proc rw\n".utf8))
    }
    #expect(error?.code == .unsupported)
    #expect(error?.description.contains("mount -t cgroup2") == true)
  }

  @Test func `this host is detected like its own kernel says`() throws {
    let found = try CgroupHierarchy.detect()
    let memberships = ControlDirectory("/proc/self").text("cgroup") ?? ""
    let hasV1 = memberships.split(separator: "\n").contains { !$0.hasPrefix("0::") }
    #expect((found.mode == .v2) == !hasV1)
  }

  @Test func `a group is made in a v2 tree with its controllers passed down`() throws {
    let tree = try FakeGroup([
      "cgroup.controllers": "cpu io memory pids\n", "cgroup.subtree_control": "",
      "m/cgroup.controllers": "cpu io memory pids\n", "m/cgroup.subtree_control": "",
      "m/c/cgroup.procs": "", "m/c/memory.max": "", "m/c/pids.max": "",
    ])
    let host = try hierarchy("30 23 0:26 / \(tree.path) rw - cgroup2 cgroup2 rw\n")
    var resources = Resources()
    resources.memory = .init(limit: 4096)
    resources.pids = .init(limit: 5)
    let cgroup = try Cgroup.create(path: "/m/c", resources: resources, in: host)
    #expect(tree["cgroup.subtree_control"] == "+memory +pids +cpu +io")
    #expect(tree["m/cgroup.subtree_control"] == "+memory +pids +cpu +io")
    #expect(tree["m/c/memory.max"] == "4096")
    #expect(tree["m/c/pids.max"] == "5")
    #expect(cgroup.directoryForClone == tree.path + "/m/c")
    #expect(cgroup.joinPaths.isEmpty)
  }

  @Test func `a limit whose controller is missing is an error that names both`() throws {
    let tree = try FakeGroup(["cgroup.controllers": "cpu pids\n", "cgroup.subtree_control": ""])
    let host = try hierarchy("30 23 0:26 / \(tree.path) rw - cgroup2 cgroup2 rw\n")
    var resources = Resources()
    resources.memory = .init(limit: 4096)
    let wanted = resources
    let error = thrownBy { () throws(Failure) in
      _ = try Cgroup.create(path: "/m/c", resources: wanted, in: host)
    }
    #expect(error?.code == .unsupported)
    #expect(
      error?.description.contains("memory limit: this host has no memory cgroup controller") == true
    )
    #expect(!Files.exists(tree.path + "/m"))
  }

  @Test func `a parent that does not pass a controller on is an error that names it`() throws {
    let tree = try FakeGroup([
      "cgroup.controllers": "cpu memory\n", "cgroup.subtree_control": "cpu memory",
      "m/cgroup.controllers": "cpu\n", "m/cgroup.subtree_control": "cpu",
    ])
    let host = try hierarchy("30 23 0:26 / \(tree.path) rw - cgroup2 cgroup2 rw\n")
    var resources = Resources()
    resources.memory = .init(limit: 4096)
    let wanted = resources
    let error = thrownBy { () throws(Failure) in
      _ = try Cgroup.create(path: "/m/c", resources: wanted, in: host)
    }
    #expect(error?.code == .unsupported)
    #expect(error?.description.contains("\(tree.path)/m") == true)
    #expect(!Files.exists(tree.path + "/m/c"))
  }

  @Test func `a group with processes is not taken over`() throws {
    let tree = try FakeGroup([
      "cgroup.controllers": "", "cgroup.subtree_control": "", "m/cgroup.subtree_control": "",
      "m/c/cgroup.procs": "17\n",
    ])
    let host = try hierarchy("30 23 0:26 / \(tree.path) rw - cgroup2 cgroup2 rw\n")
    let error = thrownBy { () throws(Failure) in
      _ = try Cgroup.create(path: "/m/c", resources: Resources(), in: host)
    }
    #expect(error?.code == .inUse)
    #expect(Files.exists(tree.path + "/m/c/cgroup.procs"))
  }

  @Test(arguments: [
    "../..", "/../x", "/a/../../b", "a//b", "/", "", "/a/", "/.hidden", "/-x", "/a/./b", "/a\nb",
    "/a b", "/cgroup.procs", "/a/\u{0}b", "/ä",
  ])
  func sec34_crun_1_28_cgroup_paths_that_leave_the_tree_are_refused(path: String) {
    #expect(
      thrownBy { () throws(Failure) in try Cgroup.validate(path: path) }?.code == .invalid)
  }

  @Test func `sec34_crun_1_28 a record's path cannot have other groups killed or removed`() throws {
    let tree = try FakeGroup(["m/cgroup.procs": "", "victim/.keep": ""])
    try Files.removeTree(tree.path + "/victim/.keep")
    let host = CgroupHierarchy(
      unified: tree.path + "/m", unifiedControllers: [],
      mounts: [String?](repeating: nil, count: CgroupController.count))
    for path in ["/../victim", "", "/"] {
      let group = Cgroup(existing: path, in: host)
      #expect(thrownBy { () throws(Failure) in try group.remove() }?.code == .invalid)
      #expect(thrownBy { () throws(Failure) in try group.kill() }?.code == .invalid)
    }
    #expect(Files.exists(tree.path + "/victim"))
    // The control: an ordinary path removes the directory.
    let beside = CgroupHierarchy(unified: tree.path, unifiedControllers: [], mounts: host.mounts)
    try Cgroup(existing: "/victim", in: beside).remove()
    #expect(!Files.exists(tree.path + "/victim"))
  }

  // The control of the refusals: the paths in use are accepted.
  @Test(arguments: [
    "/minidock/0123abcd", "minidock/x", "/kubepods/burstable/pod1-2_3/abc", "/system.slice/a.scope",
    "/user.slice/user-1000.slice/x@1:b.service",
  ])
  func sec34_ordinary_cgroup_paths_are_accepted(path: String) {
    #expect(thrownBy { () throws(Failure) in try Cgroup.validate(path: path) } == nil)
  }
}
