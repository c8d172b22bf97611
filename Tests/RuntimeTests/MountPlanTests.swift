import Linux
import Testing

@testable import Runtime

@Suite struct MountPlanTests {
  private func steps(_ spec: Spec) throws(Failure) -> [MountStep] {
    try MountPlan.steps(for: spec) { target, readOnly in
      [.mask(path: "cgroup at \(target), \(readOnly ? "ro" : "rw")")]
    }
  }

  private func failure(_ mount: Spec.Mount) -> Failure? {
    var spec = Spec()
    spec.mounts = [mount]
    return thrownBy { () throws(Failure) in _ = try steps(spec) }
  }

  private let ownDev = Spec.Mount(destination: "/dev", type: "tmpfs")

  private func failure(_ device: Spec.Device) -> Failure? {
    var spec = Spec()
    spec.mounts = [ownDev]
    spec.linux = Spec.Linux()
    spec.linux?.devices = [device]
    return thrownBy { () throws(Failure) in _ = try steps(spec) }
  }

  @Test func `no mounts make no steps`() throws {
    #expect(try steps(Spec()) == [])
  }

  @Test func `mounts keep their order, then come devices, terminal, read-only and masked paths`()
    throws
  {
    var spec = Spec()
    spec.mounts = [
      Spec.Mount(destination: "/proc", type: "proc", source: "proc", options: ["nosuid"]),
      Spec.Mount(destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["mode=755"]),
      Spec.Mount(destination: "/sys/fs/cgroup", type: "cgroup", options: ["ro"]),
      Spec.Mount(destination: "/data", source: "/srv", options: ["rbind", "ro", "rprivate"]),
    ]
    spec.process = Spec.Process()
    spec.process?.terminal = true
    spec.linux = Spec.Linux()
    spec.linux?.devices = [Spec.Device(type: "c", path: "/dev/fuse", major: 10, minor: 229)]
    spec.linux?.readonlyPaths = ["/proc/sys"]
    spec.linux?.maskedPaths = ["/proc/kcore"]
    var bind = BindOptions()
    bind.recursive = true
    bind.set = .readOnly
    bind.propagation = .isPrivate
    bind.isPropagationRecursive = true
    let expected: [MountStep] =
      [
        .fileSystem(
          type: "proc", source: "proc", target: "/proc", options: [], attributes: .noSetuid),
        .fileSystem(
          type: "tmpfs", source: "tmpfs", target: "/dev", options: ["mode=755"], attributes: []),
        .mask(path: "cgroup at /sys/fs/cgroup, ro"),
        .bind(source: "/srv", target: "/data", options: bind),
      ] + MountPlan.standardDevices + [
        .device(
          path: "/dev/fuse", kind: .character, major: 10, minor: 229, mode: 0o666, uid: 0, gid: 0),
        .console, .readOnly(path: "/proc/sys"), .mask(path: "/proc/kcore"),
      ]
    #expect(try steps(spec) == expected)
  }

  @Test func `standard devices are the specification's, and only on a /dev of its own`() throws {
    var numbers: [String: [UInt32]] = [:]
    var links: [String: String] = [:]
    for step in MountPlan.standardDevices {
      switch step {
      case .device(let path, .character, let major, let minor, 0o666, 0, 0):
        numbers[path] = [major, minor]
      case .symlink(let target, let path): links[path] = target
      default: Issue.record("unexpected \(step)")
      }
    }
    #expect(
      numbers == [
        "/dev/null": [1, 3], "/dev/zero": [1, 5], "/dev/full": [1, 7], "/dev/random": [1, 8],
        "/dev/urandom": [1, 9], "/dev/tty": [5, 0],
      ])
    #expect(
      links == [
        "/dev/fd": "/proc/self/fd", "/dev/stdin": "/proc/self/fd/0",
        "/dev/stdout": "/proc/self/fd/1", "/dev/stderr": "/proc/self/fd/2",
        "/dev/core": "/proc/kcore", "/dev/ptmx": "pts/ptmx",
      ])
    var spec = Spec()
    spec.mounts = [Spec.Mount(destination: "/dev", source: "/dev", options: ["bind"])]
    spec.process = Spec.Process()
    spec.process?.terminal = true
    // The mount and the terminal; no device.
    #expect(try steps(spec).count == 2)
  }

  @Test func `a mount without type or source has the kernel's "none"`() throws {
    var spec = Spec()
    spec.mounts = [
      Spec.Mount(destination: "/a"), Spec.Mount(destination: "/b", type: "tmpfs"),
    ]
    #expect(
      try steps(spec) == [
        .fileSystem(type: "none", source: "none", target: "/a", options: [], attributes: []),
        .fileSystem(type: "tmpfs", source: "tmpfs", target: "/b", options: [], attributes: []),
      ])
  }

  @Test func `the defaults cover the kernel's interfaces, writable for the privileged alone`()
    throws
  {
    for isPrivileged in [false, true] {
      var spec = Spec()
      spec.mounts = Spec.defaultMounts(shmSize: 1 << 26, privileged: isPrivileged)
      var seen: [String: MountAttributes] = [:]
      for step in try steps(spec) {
        if case .fileSystem(_, _, let target, _, let attributes) = step {
          seen[target] = attributes
        }
      }
      #expect(
        Set(seen.keys) == ["/proc", "/dev", "/dev/pts", "/sys", "/dev/mqueue", "/dev/shm"])
      for (target, attributes) in seen {
        #expect(attributes.contains(.noSetuid), "\(target)")
        #expect(attributes.contains(.readOnly) == (target == "/sys" && !isPrivileged), "\(target)")
      }
      #expect(
        try steps(spec).contains(
          .mask(path: "cgroup at /sys/fs/cgroup, \(isPrivileged ? "rw" : "ro")")))
    }
    #expect(Spec.defaultMaskedPaths.contains("/proc/kcore"))
    #expect(Spec.defaultReadonlyPaths.contains("/proc/sysrq-trigger"))
  }

  @Test(arguments: ["", "data", "./data", "../data"])
  func `a destination must be absolute`(path: String) {
    #expect(failure(Spec.Mount(destination: path, type: "tmpfs"))?.code == .invalid)
  }

  @Test(arguments: [nil, "", "srv", "../srv"] as [String?])
  func `a bind needs an absolute source`(source: String?) {
    let failure = failure(Spec.Mount(destination: "/data", source: source, options: ["bind"]))
    #expect(failure?.code == .invalid)
    #expect(failure?.object == "/data")
  }

  @Test(arguments: [
    ("x", "/dev/x"), ("", "/dev/x"), ("c", "/x"), ("c", "dev/x"), ("c", "/devil/x"), ("c", "/dev"),
  ])
  func `a device has a known type and a path below /dev`(type: String, path: String) {
    let failure = failure(Spec.Device(type: type, path: path, major: 1, minor: 3))
    #expect(failure?.code == .invalid)
    #expect(failure?.object == path)
  }

  @Test(arguments: [
    ("c", DeviceKind.character), ("u", .character), ("b", .block), ("p", .fifo),
  ])
  func `each type of device is its kind of node`(type: String, kind: DeviceKind) throws {
    var spec = Spec()
    spec.mounts = [ownDev]
    spec.linux = Spec.Linux()
    spec.linux?.devices = [
      Spec.Device(
        type: type, path: "/dev/x", major: nil, minor: nil, fileMode: 0o600, uid: 5, gid: 6)
    ]
    #expect(
      try steps(spec).last
        == .device(path: "/dev/x", kind: kind, major: 0, minor: 0, mode: 0o600, uid: 5, gid: 6))
    // A /dev of the host's gets no node of the container's.
    spec.mounts = [Spec.Mount(destination: "/dev", source: "/dev", options: ["bind"])]
    #expect(try steps(spec).count == 1)
  }
}
