import Linux
import Testing

@testable import Engine

@Suite struct TopTests {
  private func made(
    name: String = "sleep", arguments: String = "sleep\0" + "1000\0"
  ) -> ProcessDetails? {
    let stat =
      "4242 (\(name)) S 17 4242 4242 34817 4243 4194560 1 0 0 0 150 50 0 0 20 0 1 0 20000 "
      + "1048576 256 18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0 0 0\n"
    let status = "Name:\tx\nUid:\t0\t33\t0\t33\nGid:\t0\t34\t0\t34\nVmLck:\t       0 kB\n"
    return ProcessDetails(
      stat: Array(stat.utf8), status: Array(status.utf8), commandLine: Array(arguments.utf8))
  }

  private var clock: TopClock {
    var clock = TopClock()
    clock.now = Timestamp(nanoseconds: 1_000_000 * 1_000_000_000)
    clock.sinceBoot = 300 * 1_000_000_000
    clock.ticksPerSecond = 100
    clock.pageSize = 4096
    clock.memory = 100 << 20
    clock.names = HostNames(
      passwd: Array("root:x:0:0\nwww-data:x:33:33::/:\nbad\nlonguser12:x:77:1\n".utf8),
      group: Array("root:x:0:\nweb:x:34:\n".utf8))
    return clock
  }

  private func row(_ options: String...) throws -> [String] {
    let process = try #require(made())
    return try TopOptions(options).columns.map { $0.value(process, clock) }
  }

  private func headings(_ options: String...) throws -> [String] {
    try TopOptions(options).columns.map(\.heading)
  }

  @Test func `without options it is docker's full format`() throws {
    #expect(
      try headings() == ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"])
    let cells = try row("-ef")
    #expect(cells[0...3] == ["www-data", "4242", "17", "2"])
    #expect(cells[5...] == ["pts/1", "00:00:02", "sleep 1000"])
  }

  @Test func `columns are chosen by ps's keywords`() throws {
    #expect(
      try row("-o", "pid,ppid,user,uid,gid,group,comm,args,rss,vsz,pcpu,pmem,nlwp,ni,etimes") == [
        "4242", "17", "www-data", "33", "34", "web", "sleep", "sleep 1000", "1024", "1024", "2.0",
        "1.0", "1", "0", "100",
      ])
    #expect(try row("-eo", "etime,time,tty,stat") == ["01:40", "00:00:02", "pts/1", "Ss"])
    #expect(try headings("-opid,user=WHO,x") == ["PID", "WHO,x"])
    #expect(try headings("-o", "pid", "-o", "args=") == ["PID", ""])
    #expect(try headings("--format=pid,cmd") == ["PID", "CMD"])
    #expect(try headings("-eo pid,comm") == ["PID", "COMMAND"])
  }

  @Test func `the BSD form has its own columns`() throws {
    let user = [
      "USER", "PID", "%CPU", "%MEM", "VSZ", "RSS", "TTY", "STAT", "START", "TIME", "COMMAND",
    ]
    #expect(try headings("aux") == user)
    #expect(try headings("-aux") == user)
    #expect(try headings("ax") == ["PID", "TTY", "STAT", "TIME", "COMMAND"])
    #expect(try headings("-e") == ["PID", "TTY", "TIME", "CMD"])
  }

  @Test(arguments: ["-Q", "--sort=pid", "-p", "zz", "-o", "--forest"])
  func `an unknown option is an error`(option: String) {
    let failure = thrownBy { () throws(Failure) in _ = try TopOptions([option]) }
    #expect(failure?.code == .unsupported || failure?.code == .invalid)
  }

  @Test func `an unknown column is an error that lists the known ones`() {
    let failure = thrownBy { () throws(Failure) in _ = try TopOptions(["-o", "pid,wchan"]) }
    #expect(failure?.object == "wchan")
    #expect(failure?.remedy.contains("nlwp") == true)
  }

  @Test func `a process cannot move the fields by its name`() throws {
    let hostile = try #require(made(name: "a) R 1 (b"))
    #expect(hostile.command == "a) R 1 (b")
    #expect(hostile.parent == 17 && hostile.state == "S" && hostile.uid == 33)
    #expect(ProcessDetails(stat: Array("1 (x".utf8), status: [], commandLine: []) == nil)
    #expect(ProcessDetails(stat: Array("1 (x) S 2".utf8), status: [], commandLine: []) == nil)
  }

  @Test func `a process without arguments is shown by its name`() throws {
    #expect(try #require(made(arguments: "")).commandLine == "[sleep]")
    #expect(try #require(made(arguments: "a\0\0b\0")).commandLine == "a  b")
  }

  @Test func `names too long for their column have a plus sign`() {
    #expect(clock.names.user(77) == "longuse+")
    #expect(clock.names.user(4711) == "4711")
  }

  @Test(arguments: [
    (5, "00:00:05", "00:05"), (3700, "01:01:40", "01:01:40"), (90000, "1-01:00:00", "1-01:00:00"),
  ])
  func `durations are ps's`(seconds: UInt64, long: String, short: String) {
    #expect(TopColumn.duration(seconds, withHours: true) == long)
    #expect(TopColumn.duration(seconds, withHours: false) == short)
  }
}
