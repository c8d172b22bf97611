import Linux
import Testing

@testable import Engine

@Suite struct ContainerRecordTests {
  private let id = String(repeating: "0123456789abcdef", count: 4)

  private func full() -> ContainerRecord {
    var record = ContainerRecord()
    record.id = id
    record.name = "web"
    record.created = Timestamp(nanoseconds: 123_456_789)
    record.image = "busybox:latest"
    record.imageID = "sha256:abc"
    record.command = ["sh", "-c", "echo a\nb\\", ""]
    record.entrypointCount = 1
    record.environment = ["A=1", "B=x=y"]
    record.workingDirectory = "/w"
    record.user = "1:2"
    record.hostname = "host"
    record.labels = [("a", "b=c"), ("empty", ""), ("minidock.network", "host")]
    record.autoRemove = true
    record.interactive = true
    record.terminal = true
    record.network = .none
    record.privileged = true
    record.readOnly = true
    record.usesInit = true
    record.stopSignal = "SIGINT"
    record.memory = 1
    record.memorySwap = -1
    record.memoryReservation = 3
    record.nanoCPUs = 4
    record.cpuShares = 5
    record.cpusetCPUs = "0-1"
    record.pidsLimit = 6
    record.shmSize = 7
    record.capabilitiesAdded = ["NET_ADMIN"]
    record.capabilitiesDropped = ["ALL"]
    record.binds = ["/a:/b:ro"]
    record.tmpfs = ["/t"]
    record.cgroupPath = "/minidock/x"
    record.creator = ProcessIdentity(pid: 1, startTime: 2)
    return record
  }

  private func read(_ bytes: [UInt8]) throws(Failure) -> ContainerRecord {
    try ContainerRecord(FieldText(parsing: bytes), path: "record")
  }

  @Test func `a record is read as it was written`() throws {
    let record = full()
    #expect(try read(record.fields.bytes) == record)
    #expect(try read(record.fields.bytes).labels.map(\.value) == ["b=c", "", "host"])
    #expect(record.shortID == "0123456789ab")
    var bare = ContainerRecord()
    bare.id = id
    #expect(try read(bare.fields.bytes) == bare)
  }

  @Test func `a record cut or damaged anywhere is a record or an error, no crash`() {
    let bytes = full().fields.bytes
    for length in 0..<bytes.count {
      let failure = thrownBy { () throws(Failure) in _ = try read(Array(bytes[..<length])) }
      #expect(failure == nil || failure?.code == .corrupt)
      if length < 67 { #expect(failure != nil) }
    }
    var damaged = bytes
    for index in bytes.indices {
      for new: UInt8 in [0, 10, 61, 255] {
        damaged[index] = new
        let failure = thrownBy { () throws(Failure) in _ = try read(damaged) }
        #expect(failure == nil || failure?.code == .corrupt)
      }
      damaged[index] = bytes[index]
    }
  }

  @Test func `sec29_CVE_2026_53488_aLabelIsNoField`() throws {
    var record = ContainerRecord()
    record.id = id
    record.labels = [("x", "1\nflag=privileged\nid=forged"), ("flag", "privileged")]
    let again = try read(record.fields.bytes)
    #expect(!again.privileged)
    #expect(again.id == id)
    #expect(again == record)
  }

  @Test func `an unknown field of a later version is ignored`() throws {
    let bytes = full().fields.bytes + Array("colour=red\n".utf8)
    #expect(try read(bytes) == full())
  }

  @Test func `run and status files are read as they were written`() {
    var run = RunFile()
    #expect(RunFile(FieldText(parsing: run.fields.bytes)) == run)
    run.process = ProcessIdentity(pid: 5, startTime: 6)
    run.monitor = ProcessIdentity(pid: 7, startTime: .max)
    run.started = Timestamp(nanoseconds: 8)
    run.address = "10.88.0.2"
    run.gateway = "10.88.0.1"
    run.prefixLength = 16
    run.macAddress = "02:42:0a:58:00:02"
    run.cgroupPath = "/x"
    #expect(RunFile(FieldText(parsing: run.fields.bytes)) == run)
    var status = StatusFile()
    #expect(StatusFile(FieldText(parsing: status.fields.bytes)) == status)
    status.started = Timestamp(nanoseconds: 1)
    status.finished = Timestamp(nanoseconds: 2)
    status.exitCode = 137
    status.oomKilled = true
    status.error = "killed\nby"
    #expect(StatusFile(FieldText(parsing: status.fields.bytes)) == status)
  }

  @Test(arguments: [
    "", "garbage", "process=1", "process=x y\nmonitor= \nstarted=never", "process=-1 5 6",
    "exit-code=99999999999\nfinished=x\noom-killed=yes", "prefix-length=wide",
  ])
  func `damaged run and status files say nothing`(text: String) {
    let fields = FieldText(parsing: Array(text.utf8))
    #expect(RunFile(fields) == RunFile())
    #expect(StatusFile(fields) == StatusFile())
  }

  @Test func `a state's summary is docker's`() {
    var state = ContainerState()
    #expect(state.summary == "Created")
    state.status = .running
    state.started = .now
    #expect(state.summary.hasPrefix("Up "))
    state.status = .paused
    #expect(state.summary.hasSuffix(" (Paused)"))
    state.status = .exited
    state.exitCode = 137
    state.finished = Timestamp(nanoseconds: Timestamp.now.nanoseconds - 3_600_000_000_000 * 3)
    #expect(state.summary == "Exited (137) 3 hours ago")
    #expect(ContainerStatus.paused.isActive)
    #expect(!ContainerStatus.exited.isActive)
    #expect(!ContainerStatus.created.isActive)
  }
}
