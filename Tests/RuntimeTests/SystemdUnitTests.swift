import Linux
import Testing

@testable import Runtime

/// Names, properties and addresses for systemd.
@Suite struct SystemdUnitTests {
  @Test(arguments: [
    ("system.slice:docker:abc", "/system.slice/docker-abc.scope"),
    ("a-b-c.slice:p:n", "/a.slice/a-b.slice/a-b-c.slice/p-n.scope"),
    ("-.slice:p:n", "/p-n.scope"), ("-:p:n", "/p-n.scope"), (":p:n", "/system.slice/p-n.scope"),
    ("x.slice::n", "/x.slice/n.scope"), ("", "/system.slice/minidock-box.scope"),
    (
      "kubepods-besteffort-pod1_2.slice:cri-containerd:0f",
      "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod1_2.slice/cri-containerd-0f.scope"
    ),
  ])
  func `a path names slice and scope`(path: String, group: String) throws {
    #expect(try SystemdUnit(path: path, id: "box", isUser: false).cgroup == group)
  }

  @Test func `a user's containers are in user.slice`() throws {
    #expect(
      try SystemdUnit(path: ":p:n", id: "box", isUser: true).cgroup == "/user.slice/p-n.scope")
  }

  @Test(arguments: [
    "/a/b", "a:b", "a:b:c:d", "system:a:b", ".slice:a:b", "a--b.slice:p:n", "-a.slice:p:n",
    "a-.slice:p:n", "a/b.slice:p:n", "a.slice:p:", "a.slice:p:x.slice", "a.slice:p:a b",
    "a.slice:p:../x", "a.slice:p:ä", "a.slice:p:" + String(repeating: "n", count: 300),
  ])
  func `another form is refused by its field`(path: String) {
    let failure = thrownBy { () throws(Failure) in
      _ = try SystemdUnit(path: path, id: "box", isUser: false)
    }
    #expect(failure?.object == "linux.cgroupsPath", "\(String(describing: failure))")
  }

  @Test func `a unit's object has an escaped name`() {
    #expect(
      SystemdUnit.objectPath(of: "a-b_1.scope")
        == "/org/freedesktop/systemd1/unit/a_2db_5f1_2escope")
    #expect(SystemdUnit.objectPath(of: "1.scope") == "/org/freedesktop/systemd1/unit/_31_2escope")
  }

  // MARK: - Limits

  private func properties(
    _ mode: CgroupHierarchy.Mode, version: Int = 252, _ change: (inout Resources) -> Void
  ) throws -> SystemdProperties {
    var resources = Resources()
    change(&resources)
    return try SystemdLimits(mode: mode, version: version).properties(resources)
  }

  @Test func `limits of v2 are properties`() throws {
    let properties = try properties(.v2) {
      $0.memory = .init(limit: 1000, reservation: 500, swap: 3000)
      $0.cpu = .init(shares: 1024, quota: 33_333, period: 100_000, cpus: "0-2,9", mems: "0")
      $0.pids = .init(limit: 5)
      $0.blockIO = .init(weight: 10)
      $0.unified = ["memory.high": "700", "hugetlb.1GB.max": "0", "memory.swap.max": "max"]
    }
    #expect(properties["MemoryMax"] == .uint64(1000))
    #expect(properties["MemoryLow"] == .uint64(500))
    #expect(properties["MemoryHigh"] == .uint64(700))
    #expect(properties["MemorySwapMax"] == .uint64(.max))
    #expect(properties["CPUWeight"] == .uint64(100))
    // Rounded up to a whole percentage.
    #expect(properties["CPUQuotaPerSecUSec"] == .uint64(340_000))
    #expect(properties["CPUQuotaPeriodUSec"] == .uint64(100_000))
    #expect(properties["AllowedCPUs"] == .array("y", [.byte(7), .byte(2)]))
    #expect(properties["AllowedMemoryNodes"] == .array("y", [.byte(1)]))
    #expect(properties["TasksMax"] == .uint64(5))
    #expect(properties["IOWeight"] == .uint64(1))
    #expect(properties["DevicePolicy"] == nil)
  }

  @Test func `limits of v1 have their old names`() throws {
    let properties = try properties(.hybrid) {
      $0.memory = .init(limit: -1, reservation: 500)
      $0.cpu = .init(shares: 512, quota: -1)
      $0.pids = .init(limit: -1)
      $0.blockIO = .init(weight: 300)
      $0.devices = [DeviceRule(allow: false)] + DeviceRule.containerNodes
    }
    #expect(properties["MemoryLimit"] == .uint64(.max))
    #expect(properties["MemoryLow"] == nil)
    #expect(properties["CPUShares"] == .uint64(512))
    #expect(properties["CPUQuotaPerSecUSec"] == .uint64(.max))
    #expect(properties["TasksMax"] == .uint64(.max))
    #expect(properties["BlockIOWeight"] == .uint64(300))
    #expect(properties["DevicePolicy"] == .string("strict"))
  }

  @Test func `an old systemd is not asked for what it does not know`() throws {
    let properties = try properties(.v2, version: 239) {
      $0.cpu = .init(quota: 50_000, period: 100_000, cpus: "0")
    }
    #expect(properties.list.map(\.name) == ["CPUQuotaPerSecUSec"])
  }

  @Test func `a changed period keeps the quota, and a changed quota the period`() throws {
    var limits = SystemdLimits(mode: .v2, version: 252)
    limits.current = .init(quota: 20_000, period: 50_000)
    var resources = Resources()
    resources.cpu = .init(period: 100_000)
    #expect(try limits.properties(resources)["CPUQuotaPerSecUSec"] == .uint64(200_000))
    resources.cpu = .init(quota: 10_000)
    #expect(try limits.properties(resources)["CPUQuotaPerSecUSec"] == .uint64(200_000))
  }

  @Test(arguments: ["0-", "-1", "a", "5-2", "0-99999999999", "8192", "1-2-3", ","])
  func `a list that is none is refused or empty`(list: String) throws {
    guard let value = try? SystemdLimits.mask(list, "linux.resources.cpu.cpus") else { return }
    #expect(value == .array("y", []))
  }

  @Test func `device rules in systemd's words`() throws {
    let policy = try DevicePolicy([
      DeviceRule(allow: false), DeviceRule(allow: true, type: "c", access: "m"),
      DeviceRule(allow: true, type: "c", major: 1, minor: 3, access: "rw"),
      DeviceRule(allow: true, type: "c", major: 136),
      DeviceRule(allow: true, type: "b", major: 7, access: "r"),
      DeviceRule(allow: true, type: "c", major: 999),
    ])
    var properties = SystemdProperties()
    SystemdDevices(
      policy,
      devices: "Character devices:\n  1 mem\n136 pts\n\nBlock devices:\n  7 loop\n259 blkext"
    ).add(to: &properties)
    let expected = [
      ("char-*", "m"), ("/dev/char/1:3", "rw"), ("char-pts", "rwm"), ("block-loop", "r"),
    ].map { DBusValue.structure([.string($0.0), .string($0.1)]) }
    #expect(properties["DeviceAllow"] == .array("(ss)", expected))
  }

  // MARK: - Annotations

  @Test(arguments: [
    ("TimeoutStopUSec", "uint64 5000000", DBusValue.uint64(5_000_000)),
    ("CollectMode", "'inactive-or-failed'", .string("inactive-or-failed")),
    ("Description", "\"a \\\"b\\\"\"", .string("a \"b\"")), ("SendSIGHUP", "true", .bool(true)),
    ("IOWeight", "uint64 0x10", .uint64(16)), ("Number", "-5", .int32(-5)),
    ("After", "['a.service', 'b.service']", .strings(["a.service", "b.service"])),
    ("Before", "@as []", .array("s", [])), ("Half", "0.5", .double(0.5)),
  ])
  func `an annotation is a property`(name: String, text: String, value: DBusValue) throws {
    var properties = SystemdProperties()
    try SystemdAnnotations.add(
      [("org.systemd.property." + name, text), ("other", "x")], to: &properties)
    #expect(properties.list.map(\.name) == [name])
    #expect(properties[name] == value)
  }

  @Test func `seconds are microseconds to systemd`() throws {
    var properties = SystemdProperties()
    try SystemdAnnotations.add([("org.systemd.property.TimeoutStopSec", "2")], to: &properties)
    #expect(properties["TimeoutStopUSec"] == .uint64(2_000_000))
  }

  @Test(arguments: [
    ("Name", ""), ("Name", "'a"), ("Name", "uint64"), ("Name", "uint64 -1"), ("Name", "[1, 'a']"),
    ("Name", "[]"), ("Name", "5 6"), ("Name", "{'a': 1}"), ("Name", "[[[[[[[[[[1]]]]]]]]]]"),
    ("Name", "'\\"), ("a", "5"), ("a.b", "5"), ("TimeSec", "'x'"), ("TimeSec", "-1"),
    ("TimeSec", "1e300"), ("Name", "@a"), ("Name", "byte 256"),
  ])
  func `an annotation that is no property is refused by its name`(name: String, text: String) {
    let failure = thrownBy { () throws(Failure) in
      var properties = SystemdProperties()
      try SystemdAnnotations.add([("org.systemd.property." + name, text)], to: &properties)
    }
    #expect(failure?.object == "annotations.org.systemd.property." + name)
  }

  // MARK: - Addresses

  private func address(
    user: UInt32, inside: Bool = false, _ environment: [String: String] = [:]
  ) throws -> SystemdAddress {
    try SystemdAddress(user: user, isInUserNamespace: inside) { environment[$0] }
  }

  @Test func `root asks the host's systemd, users their own`() throws {
    let root = try address(user: 0)
    #expect(!root.isUser)
    #expect(root.candidates.map(\.path) == ["/run/dbus/system_bus_socket", "/run/systemd/private"])
    #expect(root.candidates.map(\.isBus) == [true, false])
    let user = try address(user: 1000)
    #expect(user.isUser)
    #expect(user.candidates.first?.path == "/run/user/1000/bus")
    let runtime = try address(user: 0, inside: true, ["XDG_RUNTIME_DIR": "/x"])
    #expect(runtime.isUser)
    #expect(runtime.candidates.map(\.path) == ["/x/bus", "/x/systemd/private"])
  }

  @Test func `the environment's address counts`() throws {
    let given = "unix:abstract=/x;unix:guid=1,path=/a%20b"
    #expect(
      try address(user: 0, ["DBUS_SYSTEM_BUS_ADDRESS": given]).candidates == [.init(path: "/a b")])
    #expect(
      try address(user: 5, ["DBUS_SESSION_BUS_ADDRESS": given]).candidates == [.init(path: "/a b")])
    for bad in ["unix:abstract=/x", "tcp:host=a", "unix:path=x", "unix:path=/a%", "unix:path=/%00"]
    {
      #expect(throws: Failure.self) { try address(user: 0, ["DBUS_SYSTEM_BUS_ADDRESS": bad]) }
    }
  }
}
