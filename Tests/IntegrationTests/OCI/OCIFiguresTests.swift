import Glibc
import Linux
import TestSupport
import Testing

/// What `list`, `ps` and `events` print.
@Suite(.enabled(if: MinidockFixture.isAvailable, MinidockFixture.requirement))
struct OCIFiguresTests {
  let fixture: OCIFixture

  init() throws { fixture = try OCIFixture("figures") }

  private func json(_ words: String...) throws -> JSONValue {
    let result = try fixture.oci(words)
    #expect(result.status == 0, "\(result)")
    return try JSONValue(parsing: Array(result.output.utf8))
  }

  private func columns(_ text: String) -> [[String]] {
    text.split(separator: "\n").map { line in
      line.split(separator: " ").map(String.init)
    }
  }

  @Test func `list as a table, as JSON and as ids`() throws {
    #expect(try fixture.oci("list", "--quiet").output == "")
    #expect(try fixture.oci("list", "--format", "json").output == "[]\n")
    let created = try fixture.create("a") { try $0.set("annotations", #"{"who":"me"}"#) }
    let running = try fixture.running("b")
    let ended = try fixture.running("c", ["true"])
    #expect(try fixture.wait(ended, for: "stopped"))
    #expect(try fixture.oci("list", "-q").output == "\(created)\n\(running)\n\(ended)\n")
    let rows = columns(try fixture.oci("list").output)
    #expect(rows.first == ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"], "\(rows)")
    #expect(rows.dropFirst().map { $0[0] } == [created, running, ended])
    #expect(
      rows.dropFirst().map { $0[1] } == [
        String(try fixture.pid(created)), String(try fixture.pid(running)), "0",
      ])
    #expect(rows.dropFirst().map { $0[2] } == ["created", "running", "stopped"])
    #expect(rows.dropFirst().allSatisfy { $0.count == 6 && $0[5] == "root" })
    guard case .array(let items) = try json("list", "--format=json") else {
      Issue.record("no list")
      return
    }
    #expect(items.map { $0["id"]?.plainText } == [created, running, ended])
    #expect(items.map { $0["status"]?.plainText } == ["created", "running", "stopped"])
    #expect(items[0]["annotations"]?["who"]?.plainText == "me")
    // What `list` says of a container is what `state` says of it.
    #expect(items[1].compact == (try fixture.state(running))?.compact)
    fixture.expectFailure(try fixture.oci("list", "--format", "xml"), "table or json")
  }

  @Test func `ps as a table and as JSON, of the container's processes alone`() throws {
    let id = try fixture.running("ps", ["sh", "-c", "sleep 1000 & sleep 2000; true"])
    let first = try fixture.pid(id)
    var rows: [[String]] = []
    #expect(
      try fixture.wait {
        rows = columns(try fixture.oci("ps", id).output)
        return rows.count == 4
      }, "\(rows)")
    #expect(rows.first == ["UID", "PID", "PPID", "CMD"])
    let own = rows.dropFirst().map { Array($0.dropFirst(3)).joined(separator: " ") }
    #expect(own.sorted() == ["sh -c sleep 1000 & sleep 2000; true", "sleep 1000", "sleep 2000"])
    #expect(rows.dropFirst(2).allSatisfy { $0[0] == "0" && $0[2] == String(first) }, "\(rows)")
    guard case .array(let pids) = try json("ps", "--format", "json", id) else {
      Issue.record("no list")
      return
    }
    #expect(Set(pids.map(\.compact)) == Set(rows.dropFirst().map { $0[1] }))
    fixture.expectFailure(try fixture.oci("ps", "--format", "xml", id), "table or json")
    try fixture.oci("kill", id, "KILL")
    #expect(try fixture.wait(id, for: "stopped"))
    fixture.expectFailure(try fixture.oci("ps", id), "container not running")
  }

  @Test func `figures have runc's members`() throws {
    let script = "head -c 9000000 /dev/zero > /dev/null; exec sleep 1000"
    let id = try fixture.running("stats", ["sh", "-c", script])
    #expect(
      try fixture.wait {
        columns(try fixture.oci("ps", id).output).last?.dropFirst(3) == ["sleep", "1000"]
      })
    let stats = try json("events", "--stats", id)
    #expect(stats["type"]?.plainText == "stats" && stats["id"]?.plainText == id)
    let data = try #require(stats["data"])
    guard case .object(let members) = data else {
      Issue.record("no object")
      return
    }
    #expect(
      members.map(\.key) == [
        "cpu", "cpuset", "memory", "pids", "blkio", "hugetlb", "intel_rdt", "network_interfaces",
      ])
    #expect(number(data, "cpu", "usage", "total") > 0)
    #expect(data["cpu"]?["usage"]?["kernel"] != nil && data["cpu"]?["usage"]?["user"] != nil)
    #expect(data["cpu"]?["throttling"]?.compact == "{}")
    // One task, and no limit: engines take a limit of 0 for one.
    #expect(data["pids"]?.compact == #"{"current":1}"#)
    #expect(number(data, "memory", "usage", "usage") > 0)
    #expect(number(data, "memory", "usage", "limit") > 1 << 40)
    #expect(number(data, "memory", "usage", "failcnt") == 0)
    for name in ["swap", "kernel", "kernelTCP"] {
      #expect(data["memory"]?[name]?["limit"] != nil, "\(name)")
    }
    #expect(number(data, "memory", "raw", "pgfault") > 0)
    let limited = try fixture.running("limited") {
      try $0.set("linux.resources", #"{"pids":{"limit":33},"memory":{"limit":67108864}}"#)
    }
    let figures = try #require(try json("events", "--stats", limited)["data"])
    #expect(figures["pids"]?.compact == #"{"current":1,"limit":33}"#)
    #expect(number(figures, "memory", "usage", "limit") == 67_108_864)
  }

  private func number(_ value: JSONValue, _ path: String...) -> UInt64 {
    var found: JSONValue? = value
    for step in path { found = found?[step] }
    switch found {
    case .number(let number): return UInt64(max(0, number))
    case .unsigned(let number): return number
    default: return 0
    }
  }

  @Test
  func `events come at an interval, tell a kill for want of memory and end with the container`()
    throws
  {
    let id = try fixture.running("events") {
      try $0.set("linux.resources", #"{"memory":{"limit":33554432,"swap":33554432}}"#)
    }
    let events = try fixture.start(["events", "--interval", "300ms", id])
    func count(_ text: String, _ type: String) -> Int {
      text.split(separator: "\n").count { $0.contains("\"type\":\"\(type)\"") }
    }
    #expect(
      try events.wait(untilOutput: { count($0, "stats") > 2 }, timeoutSeconds: 120))
    let large = ["dd", "if=/dev/zero", "of=/dev/null", "bs=100M", "count=1"]
    #expect(try fixture.oci(["exec", id] + large).status == 137)
    #expect(
      try events.wait(untilOutput: { count($0, "oom") == 1 }, timeoutSeconds: 120))
    try fixture.oci("kill", id, "KILL")
    let ended = try events.wait(timeoutSeconds: 120)
    #expect(ended.status == 0 && count(ended.output, "oom") == 1, "\(ended)")
    for text in ["0s", "-1s", "fast", "2d", "25h", ""] {
      fixture.expectFailure(try fixture.oci("events", "--interval", text, id), "--interval")
    }
  }

  @Test func `the kill that ends the container is told too`() throws {
    let script = "while [ ! -e /go ]; do sleep 1; done; exec dd if=/dev/zero of=/dev/null bs=100M"
    let id = try fixture.running("last", ["sh", "-c", script]) {
      try $0.set("linux.resources", #"{"memory":{"limit":33554432,"swap":33554432}}"#)
    }
    let events = try fixture.start(["events", "--interval", "1m", id])
    #expect(try events.wait(untilOutput: { $0.contains("stats") }, timeoutSeconds: 120))
    try fixture.base.write("rootfs/go", "")
    let ended = try events.wait(timeoutSeconds: 120)
    #expect(ended.output.contains("{\"type\":\"oom\",\"id\":\"\(id)\"}"), "\(ended)")
    #expect(ended.status == 0)
  }
}
