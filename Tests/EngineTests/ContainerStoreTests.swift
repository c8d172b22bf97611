import Glibc
import Linux
import TestSupport
import Testing

@testable import Engine

@Suite(.enabled(if: isRoot, "needs root"))
struct ContainerStoreTests {
  /// An installation of the test's own; nothing in it runs.
  struct Fixture {
    let directory: TemporaryDirectory
    let installation: Installation
    var store: ContainerStore { ContainerStore(installation) }

    init() throws {
      directory = try TemporaryDirectory("store")
      installation = try Installation(
        root: directory.file("root"), runRoot: directory.file("run"))
    }

    func make(_ id: String, _ name: String?, created: Int64 = 0) throws(Failure) -> ContainerRecord
    {
      var record = ContainerRecord()
      record.id = id + String(repeating: "0", count: 64 - id.count)
      record.created = Timestamp(nanoseconds: created)
      try store.create(&record, name: name, options: RunOptions())
      return record
    }
  }

  @Test func `a container is found by name, id and the beginning of its id`() throws {
    let fixture = try Fixture()
    let record = try fixture.make("abc", "web")
    for text in ["web", record.id, "abc", "a", record.shortID] {
      #expect(try fixture.store.find(text) == record, "\(text)")
    }
    for text in ["", "we", "webb", "x", ".", "..", "../names", "abc/", "/", record.id + "0"] {
      #expect(
        thrownBy { () throws(Failure) in _ = try fixture.store.find(text) }?.code == .notFound,
        "\(text)")
    }
  }

  @Test func `the beginning of two ids is ambiguous, a name comes first`() throws {
    let fixture = try Fixture()
    let first = try fixture.make("abc1", nil)
    _ = try fixture.make("abc2", "abc1")
    #expect(
      thrownBy { () throws(Failure) in _ = try fixture.store.find("abc") }?.code == .invalid)
    #expect(try fixture.store.find("abc1").name == "abc1")
    #expect(try fixture.store.find("abc10") == first)
  }

  @Test func `a name is taken once, and the second container leaves nothing`() throws {
    let fixture = try Fixture()
    _ = try fixture.make("a", "web")
    let failure = thrownBy { () throws(Failure) in _ = try fixture.make("b", "web") }
    #expect(failure?.code == .exists)
    #expect(failure?.reason.contains("a00000000000") == true)
    #expect(try Files.list(fixture.installation.containers).count == 1)
    #expect(try fixture.store.find("web").id.hasPrefix("a"))
  }

  @Test func `a name whose container is gone is free`() throws {
    let fixture = try Fixture()
    let old = try fixture.make("a", "web")
    try Files.removeTree(fixture.store.directory(old.id))
    let new = try fixture.make("b", "web")
    #expect(new.name == "web")
    #expect(try fixture.store.find("web") == new)
  }

  @Test func `the same id cannot be claimed twice`() throws {
    let fixture = try Fixture()
    _ = try fixture.make("a", "one")
    let failure = thrownBy { () throws(Failure) in _ = try fixture.make("a", "two") }
    #expect(failure?.errno == EEXIST)
    #expect(try fixture.store.find("one").name == "one")
    #expect(fixture.store.nameOwner("two") == nil)
  }

  @Test func `the list is newest first, without what is half made or damaged`() throws {
    let fixture = try Fixture()
    _ = try fixture.make("a", "old", created: 1)
    _ = try fixture.make("b", "new", created: 9)
    _ = try fixture.make("c", "middle", created: 5)
    try Files.claimDirectory(fixture.installation.containers + "/half-made")
    let damaged = try fixture.make("d", "damaged", created: 7)
    try Files.replace(fixture.store.directory(damaged.id) + "/record", with: Array("id=short".utf8))
    #expect(try fixture.store.list().map(\.name) == ["new", "middle", "old"])
    #expect(
      thrownBy { () throws(Failure) in _ = try fixture.store.find("damaged") }?.code == .corrupt)
  }

  @Test func `a generated name is valid and free`() throws {
    let fixture = try Fixture()
    var names: Set<String> = []
    for number in 0..<50 {
      let name = try fixture.make("\(10 + number)", nil).name
      try ContainerStore.validate(name: name)
      #expect(names.insert(name).inserted)
    }
    for people in NameGenerator.people { try ContainerStore.validate(name: people) }
    #expect(NameGenerator.name(attempt: 20).last?.isNumber == true)
  }

  @Test func `the state is what the processes say, not what the files say`() throws {
    let fixture = try Fixture()
    let record = try fixture.make("a", "web")
    #expect(fixture.store.state(of: record).status == .created)
    var run = RunFile()
    run.process = ProcessIdentity(of: getpid())
    run.started = Timestamp(nanoseconds: 5)
    try fixture.store.write(run, of: record.id)
    #expect(fixture.store.state(of: record).status == .running)
    #expect(fixture.store.mayBeAlive(record.id))
    // The pid again, of another process.
    run.process = ProcessIdentity(pid: getpid(), startTime: 1)
    try fixture.store.write(run, of: record.id)
    let state = fixture.store.state(of: record)
    #expect(state.status == .exited)
    #expect(state.exitCode == 137)
    #expect(state.error.contains("monitor was killed"))
    #expect(!fixture.store.mayBeAlive(record.id))
    var status = StatusFile()
    status.exitCode = 3
    status.finished = Timestamp(nanoseconds: 9)
    try fixture.store.write(status, of: record.id)
    #expect(fixture.store.state(of: record).exitCode == 3)
  }

  @Test func `a process is told by its pidfd in the same boot, and by its start time else`() throws
  {
    let boot = Processes.bootIdentity()
    var run = RunFile()
    #expect(!run.isRunning(boot: boot))
    run.process = ProcessIdentity(of: getpid())
    run.processInode = Processes.inode(of: getpid())
    run.boot = boot
    run = RunFile(run.fields)
    #expect(run.isRunning(boot: boot))
    // A number is believed, or not, by itself: another process has another.
    run.process = ProcessIdentity(pid: getpid(), startTime: 1)
    let hasNumbers = run.processInode != nil
    #expect(run.isRunning(boot: boot) == hasNumbers)
    #expect(!run.isRunning(boot: "another"))
    run.process = ProcessIdentity(of: getpid())
    run.processInode = run.processInode.map { $0 + 1 }
    #expect(run.isRunning(boot: boot) != hasNumbers)
    #expect(run.isRunning(boot: "another"))
  }

  @Test(arguments: [
    "../../x", "..", ".", "", "a", "a/b", "-ab", ".ab", "_ab", "a b", "a\nb", "a\0b", "ü2", "a:b",
    "a\u{301}b", String(repeating: "a", count: 129),
  ])
  func `sec34_names`(name: String) throws {
    let failure = thrownBy { () throws(Failure) in try ContainerStore.validate(name: name) }
    #expect(failure?.code == .invalid)
    let fixture = try Fixture()
    let before = try Files.list(fixture.directory.path).sorted()
    #expect(thrownBy { () throws(Failure) in _ = try fixture.make("a", name) }?.code == .invalid)
    #expect(try Files.list(fixture.directory.path).sorted() == before)
    #expect(try Files.list(fixture.installation.containers).isEmpty)
    for good in ["ab", "a.b_c-d", "0x", String(repeating: "a", count: 128)] {
      try ContainerStore.validate(name: good)
    }
  }

  @Test func `sec32_CVE_2024_25621_theRootsAreClosedToOthers`() throws {
    let fixture = try Fixture()
    for path in [fixture.installation.root, fixture.installation.runRoot] {
      try Files.verifyPrivateDirectory(path)
    }
    // One that was left open to readers is closed; one that others can write to is refused.
    try #require(chmod(fixture.installation.root, 0o755) == 0)
    _ = try Installation(root: fixture.installation.root, runRoot: fixture.installation.runRoot)
    try Files.verifyPrivateDirectory(fixture.installation.root)
    try #require(chmod(fixture.installation.root, 0o777) == 0)
    let failure = thrownBy { () throws(Failure) in
      _ = try Installation(root: fixture.installation.root, runRoot: fixture.installation.runRoot)
    }
    #expect(failure?.code == .refused)
  }

  // What is being made would be a leftover to a sweep that looks between the two announcements of a start:
  // by the monitor that listens, and by the same when it starts the command.
  @Test func `a container that is announced again is never one that nobody starts`() throws {
    let fixture = try Fixture()
    let (store, id) = (fixture.store, String(repeating: "a", count: 64))
    let own = ProcessIdentity(of: ThisProcess.id)
    try store.announce(id, by: own)
    let announcer = try Processes.fork {
      for _ in 0..<20_000 { try? store.announce(id, by: own) }
      return 0
    }
    var missed = 0
    while try Processes.wait(pidfd: announcer.handle, hang: false) == nil {
      if !store.mayBeAlive(id) { missed += 1 }
    }
    #expect(missed == 0)
    #expect(try Files.list(fixture.installation.runs) == ["\(id).start"])
    // What a killed starter has left is replaced as well.
    try store.announce(id, by: ProcessIdentity(pid: ThisProcess.id, startTime: 1))
    #expect(!store.mayBeAlive(id))
    try store.announce(id, by: own)
    #expect(store.mayBeAlive(id))
    store.withdraw(id)
    #expect(!store.mayBeAlive(id))
  }
}
