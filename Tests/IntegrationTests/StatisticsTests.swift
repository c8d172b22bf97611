import Glibc
import Linux
import TestSupport
import Testing

/// `stats` and `top` of real containers.
@Suite(.enabled(if: MinidockFixture.isAvailable, MinidockFixture.requirement))
struct StatisticsTests {
  let fixture: MinidockFixture

  init() throws {
    fixture = try MinidockFixture("statistics")
    try fixture.importBusybox()
  }

  private func start(_ name: String, _ flags: [String] = [], _ command: String...) throws {
    let words = ["run", "-d", "--network", "none", "--name", name] + flags + ["busybox"] + command
    let result = try fixture.minidock(words)
    try #require(result.status == 0, "\(result)")
  }

  private func field(_ name: String, of json: String) -> String {
    guard let place = json.range(of: "\"\(name)\":\"") else { return "" }
    return String(json[place.upperBound...].prefix { $0 != "\"" })
  }

  @Test func theFiguresAreDockers() throws {
    try start("busy", ["-m", "64m"], "sh", "-c", "while :; do :; done")
    try start(
      "idle", ["-m", "64m", "--tmpfs", "/t"], "sh", "-c",
      "head -c 20000000 /dev/zero > /t/f; touch /ready; exec sleep 1000")
    for _ in 0..<200 {
      if try fixture.minidock("exec", "idle", "test", "-e", "/ready").status == 0 { break }
      usleep(20_000)
    }
    let lines = try fixture.succeed("stats", "--no-stream", "--format", "json").lines
    #expect(lines.count == 2)
    let busy = try #require(lines.first { field("Name", of: $0) == "busy" })
    let idle = try #require(lines.first { field("Name", of: $0) == "idle" })
    for name in ["BlockIO", "Container", "ID", "MemUsage", "NetIO", "PIDs"] {
      #expect(!field(name, of: busy).isEmpty, "\(name): \(busy)")
    }
    let percent = try #require(Double(field("CPUPerc", of: busy).dropLast()))
    #expect(percent > 50 && percent < 130, "\(busy)")
    #expect(try #require(Double(field("CPUPerc", of: idle).dropLast())) < 20, "\(idle)")
    // 20 MB in a tmpfs are memory of the container, in MiB below its limit.
    #expect(field("MemUsage", of: idle).hasSuffix(" / 64MiB"))
    let used = try #require(Double(field("MemUsage", of: idle).prefix { $0 != "M" }))
    #expect(used > 18 && used < 40, "\(idle)")
    #expect(field("PIDs", of: idle) == "1")
    #expect(field("NetIO", of: idle) == "0B / 0B")
    #expect(field("ID", of: idle).count == 12)
    let table = try fixture.succeed("stats", "--no-stream", "idle").lines
    #expect(
      table[0].split(separator: " ").joined(separator: " ")
        == "CONTAINER ID NAME CPU % MEM USAGE / LIMIT MEM % NET I/O BLOCK I/O PIDS")
    #expect(table.count == 2 && !table[1].contains("\u{1b}"))
    #expect(
      try fixture.succeed("stats", "--no-stream", "--format", "{{.Container}}|{{.PIDs}}", "idle")
        == "idle|1")
    try fixture.succeed("rm", "-f", "busy", "idle")
    try fixture.expectNoLeaks()
  }

  @Test func withoutALimitItIsTheHostsMemoryAndWhatDoesNotRunHasZeros() throws {
    try start("free", [], "sleep", "1000")
    try start("over", [], "true")
    try fixture.succeed("wait", "over")
    let host = ByteText.binary(SystemLimits.memory)
    let usage = try fixture.succeed("stats", "--no-stream", "--format", "{{.MemUsage}}", "free")
    #expect(usage.hasSuffix(" / " + host), "\(usage)")
    let format = ["--no-stream", "--format", "{{.Name}} {{.MemUsage}} {{.PIDs}}"]
    #expect(try fixture.minidock(["stats"] + format).output.lines.count == 1)
    let all = try fixture.minidock(["stats", "-a"] + format).output.lines
    #expect(all.count == 2 && all.contains("over 0B / 0B 0"), "\(all)")
    #expect(try fixture.minidock(["stats", "over"] + format).output == "over 0B / 0B 0\n")
    let line = try fixture.refuse(["stats", "--no-stream", "absent"], status: 1)
    #expect(line.contains("absent"))
    try fixture.refuse(["stats", "--no-stream", "--format", "{{.Nonsense}}", "free"], status: 1)
    try fixture.succeed("rm", "-f", "free", "over")
    try fixture.expectNoLeaks()
  }

  @Test func containersComeAndGoWhileItWatches() throws {
    let watcher = try fixture.start("stats", "--format", "{{.Name}}")
    try start("first", [], "sleep", "1000")
    #expect(try watcher.wait(untilOutput: { $0.contains("first\n") }))
    try start("second", [], "sleep", "1000")
    #expect(try watcher.wait(untilOutput: { $0.contains("second\n") }))
    try fixture.succeed("rm", "-f", "first")
    let before = watcher.output.count
    #expect(
      try watcher.wait(untilOutput: {
        let new = $0.dropFirst(before)
        return new.contains("second\nsecond\n") && !new.contains("\u{1b}")
      }))
    #expect(watcher.errors == "")
    watcher.signal(SIGTERM)
    #expect(try watcher.wait().status == 128 + SIGTERM)
    try fixture.succeed("rm", "-f", "second")
    try fixture.expectNoLeaks()
  }

  @Test func aContainerThatWasCreatedFirstIsTheSame() throws {
    try fixture.succeed(
      "create", "--name", "made", "--network", "none", "busybox", "sleep", "1000")
    let path = try fixture.succeed("inspect", "-f", "{{.HostConfig.CgroupPath}}", "made")
    #expect(path.hasPrefix("/" + fixture.cgroupParent + "/"), "\(path)")
    try fixture.succeed("start", "made")
    // Not the host's processes and memory, of which a missing path would tell.
    #expect(try fixture.succeed("top", "made", "-o", "args").lines == ["COMMAND", "sleep 1000"])
    #expect(try fixture.succeed("stats", "--no-stream", "--format", "{{.PIDs}}", "made") == "1")
    try fixture.succeed("pause", "made")
    #expect(try fixture.succeed("inspect", "-f", "{{.State.Status}}", "made") == "paused")
    try fixture.succeed("rm", "-f", "made")
    try fixture.expectNoLeaks()
  }

  @Test func theNetworkOfABridgeCounts() throws {
    let id = try fixture.succeed("run", "-d", "--name", "net", "busybox", "sleep", "1000")
    let gateway = try fixture.succeed("inspect", "-f", "{{.NetworkSettings.Gateway}}", id)
    try fixture.succeed("exec", "net", "ping", "-c", "3", "-s", "1000", "-i", "0.2", gateway)
    let text = try fixture.succeed("stats", "--no-stream", "--format", "{{.NetIO}}", "net")
    let parts = text.split(separator: " ")
    #expect(parts.count == 3 && parts[0].hasSuffix("kB") && parts[2].hasSuffix("kB"), "\(text)")
    try fixture.succeed("rm", "-f", "net")
    try fixture.expectNoLeaks()
  }

  @Test func theProcessesAreTheHostsView() throws {
    try start(
      "top", ["-u", "1234"], "sh", "-c", "sleep 1111 & exec sleep 2222")
    for _ in 0..<200 {
      if try fixture.succeed("top", "top", "-o", "args").contains("sleep 2222") { break }
      usleep(10_000)
    }
    let lines = try fixture.succeed("top", "top").lines
    #expect(
      lines[0].split(separator: " ").map(String.init)
        == ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"])
    #expect(lines.count == 3)
    let first = try #require(lines.first { $0.contains("sleep 2222") })
    let cells = first.split(separator: " ").map(String.init)
    let pid = try fixture.succeed("inspect", "-f", "{{.State.Pid}}", "top")
    #expect(cells[0] == "1234" && cells[1] == pid, "\(first)")
    let second = try #require(lines.first { $0.contains("sleep 1111") })
    #expect(second.split(separator: " ").map(String.init)[2] == pid, "\(second)")
    #expect(
      try fixture.succeed("top", "top", "aux").lines[0].split(separator: " ").joined(separator: " ")
        == "USER PID %CPU %MEM VSZ RSS TTY STAT START TIME COMMAND")
    #expect(
      try fixture.succeed("top", "top", "-o", "pid,comm").lines.contains {
        $0.split(separator: " ").map(String.init) == [pid, "sleep"]
      })
    #expect(try fixture.refuse(["top", "top", "-Q"], status: 1).contains("-Q"))
    #expect(
      try fixture.refuse(["top", "top", "-o", "pid,nonsense"], status: 1).contains("nonsense"))
    try fixture.succeed("rm", "-f", "top")
    try fixture.refuse(["top", "top"], status: 1)
    try start("over", [], "true")
    try fixture.succeed("wait", "over")
    #expect(try fixture.refuse(["top", "over"], status: 1).contains("not running"))
    #expect(try fixture.succeed("port", "over") == "")
    #expect(
      try fixture.refuse(["port", "over", "80"], status: 1)
        == "minidock: no public port '80/tcp' published for over\n")
    try fixture.succeed("rm", "over")
    try fixture.expectNoLeaks()
  }
}

/// The same form of sizes, counted by a way of its own.
private enum ByteText {
  static func binary(_ bytes: Int64) -> String {
    var value = Double(bytes)
    var units = ["B", "KiB", "MiB", "GiB", "TiB"][...]
    while value >= 1024 && units.count > 1 {
      value /= 1024
      units.removeFirst()
    }
    // Four significant digits, as C's %.4g.
    var text = [CChar](repeating: 0, count: 32)
    withVaList([value]) { _ = vsnprintf(&text, 32, "%.4g", $0) }
    return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
      + units.first!
  }
}

extension String {
  fileprivate func range(of text: String) -> Range<Index>? {
    indices.lazy.compactMap { start in
      self[start...].hasPrefix(text) ? start..<self.index(start, offsetBy: text.count) : nil
    }.first
  }
}
