import Linux
import Testing

@testable import Runtime

@Suite struct InitMessageTests {
  static let fullPlan: InitPlan = {
    var plan = InitPlan()
    plan.namespaces = [.mount, .network]
    plan.root = .overlay(
      Overlay(
        base: "/var", lower: ["l1", "l2"], upper: "u", work: "w", target: "/t", volatile: true))
    plan.rootReadOnly = true
    plan.rootPropagation = .shared
    plan.hostname = "wäb"
    plan.domainname = "lan"
    var bind = BindOptions()
    bind.recursive = true
    bind.set = [.readOnly, .noExecute]
    bind.clear = .noDevices
    bind.recursiveSet = .readOnly
    bind.recursiveClear = .noSetuid
    bind.isPropagationRecursive = true
    bind.clone = 3
    bind.propagation = .unbindable
    plan.steps = [
      .fileSystem(
        type: "tmpfs", source: "s", target: "/t", options: ["mode=1", ""], attributes: .noSetuid),
      .bind(source: "/a", target: "/b", options: bind),
      .bind(source: "/a", target: "/b", options: BindOptions()),
      .device(path: "/dev/x", kind: .block, major: 8, minor: .max, mode: 0o600, uid: 1, gid: 2),
      .symlink(target: "a", path: "/dev/b"), .console, .mask(path: "/m"), .readOnly(path: "/r"),
    ]
    plan.sysctls = [InitPlan.Sysctl(name: "net.x", value: "1")]
    plan.traced = true
    var process = ProcessPlan()
    process.arguments = ["sh", "", "\n"]
    process.environment = ["A=ü"]
    process.workingDirectory = "/w"
    process.userText = "www:www"
    process.uid = 1
    process.gid = .max - 1
    process.groups = [3, 4]
    process.umask = 0o077
    process.capabilities.bounding = 1
    process.capabilities.effective = 2
    process.capabilities.permitted = 4
    process.capabilities.inheritable = 8
    process.capabilities.ambient = 1 << 63
    process.noNewPrivileges = true
    process.seccomp = [0, 255]
    process.rlimits = [ResourceLimit(resource: 7, soft: 1, hard: .max)]
    process.oomScoreAdjust = -1000
    process.hasTerminal = true
    process.terminalSize = TerminalSize(rows: 24, columns: 80)
    process.reaps = true
    plan.process = process
    return plan
  }()

  static let messages: [InitMessage] = [
    .plan(fullPlan), .plan(InitPlan()), .begin([.mount, .network], traced: true), .namespaces,
    .terminal, .ready, .go,
    .failed(Failure(errno: 13, "mount", "/proc", reason: "why", remedy: "do")),
    .timing(step: "pivot root", nanoseconds: .max),
  ]

  @Test(arguments: messages.indices)
  func `every message arrives as it was sent`(index: Int) throws {
    let message = InitMessageTests.messages[index]
    #expect(try InitMessage(message.bytes) == message)
  }

  @Test(arguments: messages.indices)
  func `a message cut at any byte is an error`(index: Int) {
    let bytes = InitMessageTests.messages[index].bytes
    for length in 0..<bytes.count {
      let failure = thrownBy { () throws(Failure) in
        _ = try InitMessage(Array(bytes[..<length]))
      }
      #expect(failure?.code == .corrupt, "\(length) of \(bytes.count) bytes")
    }
  }

  @Test func `a message with any byte changed decodes or is an error`() {
    var bytes = InitMessage.plan(InitMessageTests.fullPlan).bytes
    var refused = 0
    for index in bytes.indices {
      let old = bytes[index]
      for new: UInt8 in [0, 1, 127, 255] {
        bytes[index] = new
        let failure = thrownBy { () throws(Failure) in _ = try InitMessage(bytes) }
        if failure != nil { refused += 1 }
        #expect(failure == nil || failure?.code == .corrupt)
      }
      bytes[index] = old
    }
    #expect(refused > 100)
  }

  @Test(arguments: [0, 8, 255] as [UInt8])
  func `an unknown message is an error`(tag: UInt8) {
    let failure = thrownBy { () throws(Failure) in _ = try InitMessage([tag]) }
    #expect(failure?.code == .corrupt)
  }

  @Test func `two plans that differ have different bytes`() {
    var other = InitMessageTests.fullPlan
    other.process.capabilities.ambient = 0
    #expect(InitMessage.plan(other).bytes != InitMessage.plan(InitMessageTests.fullPlan).bytes)
    #expect(InitMessage.plan(other) != .plan(InitMessageTests.fullPlan))
  }

  @Test func `the root's directory is where the container's files are`() {
    #expect(RootSource.directory(path: "/r").directory == "/r")
    #expect(InitMessageTests.fullPlan.root.directory == "/t")
  }
}
