import Glibc
import Linux
import TestSupport
import Testing

/// Namespaces, ids, groups, kernel parameters and links of a bundle.
@Suite(.enabled(if: MinidockFixture.isAvailable, MinidockFixture.requirement))
struct OCINamespaceTests {
  let fixture: OCIFixture

  init() throws { fixture = try OCIFixture("spaces") }

  private static let names = ["pid", "net", "ipc", "uts", "cgroup", "time"]

  private var links: String {
    "for n in \(OCINamespaceTests.names.joined(separator: " ")); do readlink /proc/self/ns/$n; done"
  }

  @Test func `namespaces are entered by path`() throws {
    let id = try fixture.running("host") { try $0.append("linux.namespaces", #"{"type":"time"}"#) }
    let pid = try fixture.pid(id)
    let types = ["pid", "network", "ipc", "uts", "cgroup", "time"]
    func list(_ wrong: Int = -1) -> String {
      let entries = zip(types, OCINamespaceTests.names).enumerated().map { index, pair in
        #"{"type":"\#(pair.0)","path":"/proc/\#(pid)/ns/\#(index == wrong ? "mnt" : pair.1)"}"#
      }
      return "[{\"type\":\"mount\"},\(entries.joined(separator: ","))]"
    }
    let outside = try fixture.oci("exec", id, "sh", "-c", links)
    try fixture.expect(links, prints: outside.output) {
      try $0.set("linux.namespaces", list())
      try $0.remove("hostname")
    }
    // The control: its own are others, but for the time namespace, which is the host's then.
    let own = try fixture.run(links).output.split(separator: "\n")
    #expect(own.count == 6 && Set(own).isDisjoint(with: outside.output.split(separator: "\n")))
    try fixture.expectRefused(
      "linux.namespaces[2].path: /proc/\(pid)/ns/mnt is no network namespace"
    ) {
      try $0.set("linux.namespaces", list(1))
      try $0.remove("hostname")
    }
    try fixture.expectRefused("linux.namespaces[0].path") {
      try $0.set("linux.namespaces", #"[{"type":"network","path":"/absent"},{"type":"mount"}]"#)
      try $0.remove("hostname")
    }
    try fixture.expectRefused("linux.namespaces[0].path") {
      try $0.set("linux.namespaces", #"[{"type":"mount","path":"/proc/1/ns/mnt"}]"#)
      try $0.remove("hostname")
    }
  }

  @Test func `clocks of a time namespace`() throws {
    let before = Int(Timestamp.monotonic / 1_000_000_000)
    let result = try fixture.run("cut -d. -f 1 /proc/uptime") {
      try $0.append("linux.namespaces", #"{"type":"time"}"#)
      try $0.set(
        "linux.timeOffsets", #"{"monotonic":{"secs":7000000},"boottime":{"secs":9000000}}"#)
    }
    let uptime = Int(result.output.dropLast()) ?? 0
    #expect((9_000_000 + before...9_000_300 + before).contains(uptime), "\(result)")
    try fixture.expectRefused("linux.timeOffsets") {
      try $0.set("linux.timeOffsets", #"{"monotonic":{"secs":1}}"#)
    }
  }

  @Test func `names and kernel parameters`() throws {
    let script = "hostname; cat /proc/sys/kernel/domainname /proc/sys/net/ipv4/ip_forward"
    try fixture.expect(script + " /proc/sys/kernel/shmmni", prints: "inside\nexample\n1\n77\n") {
      try $0.set("domainname", #""example""#)
      try $0.set("linux.sysctl", #"{"net.ipv4.ip_forward":"1","kernel/shmmni":"77"}"#)
    }
    for (name, reason) in [
      ("kernel.panic", "would change the host"), ("net/../vm/swappiness", "malformed"),
    ] {
      try fixture.expectRefused(reason) {
        try $0.set(
          "linux",
          #"{"namespaces":[{"type":"mount"},{"type":"uts"},{"type":"network"}],"sysctl":{"\#(name)":"1"}}"#
        )
      }
    }
  }

  @Test func `a user namespace by root`() throws {
    #expect(try TestSupport.run(["chown", "-R", "100000:100000", fixture.rootfs]).status == 0)
    let script = """
      id -u; cat /proc/self/uid_map | tr -s ' '; touch /made; stat -c %u /made
      echo > /dev/null && echo null; hostname
      """
    try fixture.expect(script, prints: "0\n 0 100000 65536\n0\nnull\ninside\n") {
      try $0.mapUsers()
    }
    #expect(try FileStatus(fixture.rootfs + "/made").owner == 100_000)
    let id = try fixture.running("user") { try $0.mapUsers() }
    #expect(try FileStatus("/proc/\(fixture.pid(id))").owner == 100_000)
    let inside = try fixture.oci("exec", "--user", "7:8", id, "sh", "-c", "id -u; id -g")
    #expect(inside.output == "7\n8\n", "\(inside)")
    for (change, reason) in [
      (#"[{"containerID":0,"hostID":100000,"size":0}]"#, "linux.uidMappings[0].size: it is 0"),
      (#"[{"containerID":0,"hostID":4294967295,"size":2}]"#, "linux.uidMappings[0]"),
      ("[]", "linux.uidMappings: it is missing"),
    ] {
      try fixture.expectRefused(reason) {
        try $0.mapUsers()
        try $0.set("linux.uidMappings", change)
      }
    }
  }

  @Test func `the group's path and limits, seen from inside and outside`() throws {
    let path = "/minidock-oci/\(fixture.id("parent"))/own"
    let id = try fixture.running("limits") {
      try $0.set("linux.cgroupsPath", "\"\(path)\"")
      try $0.set(
        "linux.resources",
        #"{"memory":{"limit":67108864},"pids":{"limit":33},"cpu":{"shares":512}}"#)
    }
    let groups = Files.text("/proc/\(try fixture.pid(id))/cgroup") ?? ""
    #expect(groups.contains(":" + path), "\(groups)")
    let figures = try fixture.oci("events", "--stats", id).output
    #expect(
      figures.contains("\"limit\":67108864") && figures.contains("\"limit\":33"), "\(figures)")
    #expect(try fixture.oci("delete", "--force", id).status == 0)
    for tree in try Files.list("/sys/fs/cgroup") {
      #expect(!Files.exists("/sys/fs/cgroup/\(tree)\(path)"))
      rmdir("/sys/fs/cgroup/\(tree)\(Files.parent(of: path))")
    }
    rmdir("/sys/fs/cgroup\(Files.parent(of: path))")
  }

  @Test func `groups are mounted with and without a namespace of their own`() throws {
    let cgroup = #"{"destination":"/sys/fs/cgroup","type":"cgroup","source":"c","options":["ro"]}"#
    let isV2 = Files.exists("/sys/fs/cgroup/cgroup.controllers")
    let file = isV2 ? "pids.max" : "pids/pids.max"
    let script = "cat /sys/fs/cgroup/\(file); echo 1 > /sys/fs/cgroup/\(file) || echo refused"
    for isOwn in [true, false] {
      let result = try fixture.run(script) {
        try $0.append("mounts", cgroup)
        try $0.set("linux.resources", #"{"pids":{"limit":44}}"#)
        if !isOwn { try $0.set("linux.namespaces", #"[{"type":"mount"},{"type":"uts"}]"#) }
      }
      #expect(result.output == "44\nrefused\n", "own namespace \(isOwn): \(result)")
      #expect(result.errors.contains("Read-only"), "\(result)")
    }
    guard !isV2 else { return }
    try fixture.expectRefused("linux.resources.unified: set unified memory.high") {
      try $0.set("linux.resources", #"{"unified":{"memory.high":"1000000"}}"#)
    }
  }

  @Test func `links move into the container and keep their addresses`() throws {
    let link = "oci" + randomHex(bytes: 4)
    func ip(_ words: String...) throws -> CommandResult { try TestSupport.run(["ip"] + words) }
    try #require(
      try ip("link", "add", link, "mtu", "1400", "type", "veth", "peer", "name", link + "p").status
        == 0)
    defer { _ = try? ip("link", "del", link + "p") }
    try #require(try ip("addr", "add", "198.51.100.7/24", "dev", link).status == 0)
    let script = "ip addr show eth7; ip -6 addr show eth7 | wc -l; ls /sys/class/net | grep -c oci"
    let result = try fixture.run(script) {
      try $0.set("linux.netDevices", #"{"\#(link)":{"name":"eth7"}}"#)
    }
    for text in ["mtu 1400", "UP", "inet 198.51.100.7/24"] {
      #expect(result.output.contains(text), "\(text): \(result)")
    }
    #expect(try ip("link", "show", link).status != 0)
    try fixture.expectRefused("linux.netDevices.\(link): move link \(link): no such device") {
      try $0.set("linux.netDevices", #"{"\#(link)":{}}"#)
    }
    #expect(try fixture.wait { try ip("link", "show", link + "p").status != 0 })
    try #require(
      try ip("link", "add", link, "type", "veth", "peer", "name", link + "p").status == 0)
    try fixture.expectRefused("linux.netDevices.\(link): move link \(link): the container has") {
      try $0.set("linux.netDevices", #"{"\#(link)":{"name":"lo"}}"#)
    }
    for wrong in [#"{"\#(link)":{"name":"a/b"}}"#, #"{"":{}}"#, #"{"a b":{}}"#] {
      try fixture.expectRefused("linux.netDevices") { try $0.set("linux.netDevices", wrong) }
    }
    try fixture.expectRefused("linux.netDevices: the container has no network namespace") {
      try $0.set("linux.namespaces", #"[{"type":"mount"},{"type":"uts"}]"#)
      try $0.set("linux.netDevices", #"{"\#(link)":{}}"#)
    }
    #expect(try ip("link", "show", link).status == 0)
  }

  @Test func `minidock moves its links itself, and minidock-oci says when it misses minidock`()
    throws
  {
    let link = "oci" + randomHex(bytes: 4)
    func ip(_ words: String...) throws -> CommandResult { try TestSupport.run(["ip"] + words) }
    try #require(
      try ip("link", "add", link, "type", "veth", "peer", "name", link + "p").status == 0)
    defer { _ = try? ip("link", "del", link + "p") }
    let path = try fixture.bundle("devices", ["ls", "/sys/class/net"]) {
      try $0.set("linux.netDevices", #"{"\#(link)":{"name":"eth7"}}"#)
    }
    // A copy: a link is looked behind.
    let alone = fixture.base.file("minidock-oci")
    try #require(try TestSupport.run(["cp", MinidockFixture.runtime, alone]).status == 0)
    fixture.expectFailure(
      try fixture.oci(
        ["run", "--bundle", path, fixture.id("alone")], program: ["env", "PATH=/none", alone]),
      "minidock, which does this for minidock-oci, is neither beside it nor in PATH; install")
    #expect(fixture.leftovers(fixture.id("alone")).isEmpty)
    #expect(try ip("link", "show", link).status == 0)
    let result = try fixture.oci(
      ["run", "--bundle", path, fixture.id("one")], program: [MinidockFixture.binary, "oci"])
    #expect(result.output.split(separator: "\n") == ["eth7", "lo"], "\(result)")
  }

  @Test func `what minidock does not have is refused by name`() throws {
    for (field, value) in [
      ("linux.intelRdt", #"{"closID":"x"}"#), ("linux.memoryPolicy", #"{"mode":"MPOL_BIND"}"#),
    ] {
      try fixture.expectRefused(field) { try $0.set(field, value) }
    }
  }
}
