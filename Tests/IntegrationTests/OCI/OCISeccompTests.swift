import Glibc
import Linux
import TestSupport
import Testing

/// Filters by what becomes of a program's system calls; operators and values are SeccompConditionTests'.
@Suite(
  .enabled(if: MinidockFixture.isAvailable, MinidockFixture.requirement),
  .enabled(if: hasProgram("gcc"), "needs gcc"))
struct OCISeccompTests {
  let fixture: OCIFixture
  #if arch(x86_64)
    private static let number = 91
  #else
    private static let number = 52
  #endif

  init() throws {
    fixture = try OCIFixture("seccomp")
    try SeccompProbe.install(in: fixture.rootfs + "/tools")
  }

  /// Runs the program below a filter with a rule for fchmod(2), which is called with a bad descriptor.
  private func run(
    _ verb: String, _ rule: String, more: String = "", arguments: [String] = ["-1"],
    number: String = String(OCISeccompTests.number)
  ) throws -> CommandResult {
    let name = "s" + randomHex(bytes: 3)
    let command = ["/tools/probe", verb, number] + arguments
    let path = try fixture.bundle(name, command) {
      try $0.set(
        "linux.seccomp",
        #"""
        {"defaultAction":"SCMP_ACT_ALLOW",\#(more)
         "syscalls":[{"names":["fchmod"],\#(rule)}]}
        """#)
    }
    return try fixture.oci("run", "--bundle", path, fixture.id(name))
  }

  private let signaled = 128 + SIGSYS

  @Test func `an error has the number that the rule gives`() throws {
    let rule = #""action":"SCMP_ACT_ERRNO""#
    #expect(try run("call", rule).output == "error \(EPERM)\n")
    #expect(try run("call", rule + #","errnoRet":99"#).output == "error 99\n")
    #expect(try run("call", rule + #","errnoRet":0"#).output == "result 0\n")
    // Without the rule the kernel's own.
    #expect(try run("call", #""action":"SCMP_ACT_ALLOW""#).output == "error \(EBADF)\n")
    #expect(try run("call", #""action":"SCMP_ACT_LOG""#).output == "error \(EBADF)\n")
  }

  @Test func `a kill ends the process or the thread alone`() throws {
    for action in ["SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL_THREAD", "SCMP_ACT_KILL"] {
      let result = try run("call", #""action":"\#(action)""#)
      #expect(result.status == signaled && result.output == "", "\(action) \(result)")
    }
    let process = try run("thread", #""action":"SCMP_ACT_KILL_PROCESS""#)
    #expect(process.status == signaled && process.output == "", "\(process)")
    for action in ["SCMP_ACT_KILL_THREAD", "SCMP_ACT_KILL"] {
      let thread = try run("thread", #""action":"\#(action)""#)
      #expect(thread.status == 0 && thread.output == "process alive\n", "\(thread)")
    }
  }

  @Test func `a trap is a signal that can be caught`() throws {
    let rule = #""action":"SCMP_ACT_TRAP""#
    let caught = try run("trap", rule)
    #expect(caught.status == 0, "\(caught)")
    #expect(caught.output.hasPrefix("trapped \(OCISeccompTests.number)\n"), "\(caught)")
    #expect(try run("call", rule).status == signaled)
    // A kill cannot.
    #expect(try run("trap", #""action":"SCMP_ACT_KILL_PROCESS""#).status == signaled)
  }

  @Test func `a tracer is told the rule's number, and without one the call does not exist`() throws
  {
    let rule = #""action":"SCMP_ACT_TRACE","errnoRet":77"#
    #expect(try run("trace", rule).output == "traced 77\nerror \(EBADF)\n")
    #expect(try run("call", rule).output == "error \(ENOSYS)\n")
  }

  @Test func `conditions look at the arguments`() throws {
    let rule = #"""
      "action":"SCMP_ACT_ERRNO","errnoRet":99,"args":[
       {"index":0,"value":4294967296,"op":"SCMP_CMP_GE"},
       {"index":1,"value":15,"valueTwo":5,"op":"SCMP_CMP_MASKED_EQ"}]
      """#
    for (arguments, output) in [
      (["0x1000000ff", "0x75"], 99), (["0xff", "0x75"], EBADF), (["0x1000000ff", "0x74"], EBADF),
    ] {
      #expect(try run("call", rule, arguments: arguments).output == "error \(output)\n")
    }
  }

  @Test func `what no rule names has the default's error`() throws {
    // Such a list has to let through what the runtime itself does after loading it, as with runc: under
    // no_new_privs read, write, close and execve.
    let command = ["/tools/probe", "call", "\(OCISeccompTests.number)", "-1"]
    let path = try fixture.bundle("default", command) {
      try $0.set(
        "linux.seccomp",
        #"""
        {"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":98,"syscalls":[{"names":[
          "arch_prctl","brk","close","execve","exit_group","fstat","getrandom","mprotect","newfstatat",
          "prlimit64","read","readlink","readlinkat","rseq","set_robust_list","set_tid_address","write"],
          "action":"SCMP_ACT_ALLOW"}]}
        """#)
      try $0.set("process.noNewPrivileges", "true")
    }
    let result = try fixture.oci("run", "--bundle", path, fixture.id("default"))
    #expect(result.output == "error 98\n", "\(result)")
  }

  #if arch(x86_64)
    @Test func `an architecture that is not listed is killed, a listed one filtered`() throws {
      // 94 is fchmod of i386.
      let rule = #""action":"SCMP_ACT_ERRNO","errnoRet":99"#
      let both = #""architectures":["SCMP_ARCH_X86_64","SCMP_ARCH_X86"],"#
      let filtered = try run("i386", rule, more: both, number: "94")
      // A kernel without IA32 emulation ends it before any filter.
      if filtered.status == 128 + SIGSEGV { return }
      #expect(filtered.output == "result -99\n", "\(filtered)")
      let native = #""architectures":["SCMP_ARCH_X86_64"],"#
      #expect(try run("i386", rule, more: native, number: "94").status == signaled)
    }
  #endif

  @Test(arguments: ["LOG", "SPEC_ALLOW", "TSYNC"])
  func `a filter is loaded with each flag`(flag: String) throws {
    let flags = #""flags":["SECCOMP_FILTER_FLAG_\#(flag)"],"#
    let result = try run("call", #""action":"SCMP_ACT_ERRNO","errnoRet":99"#, more: flags)
    #expect(result.output == "error 99\n", "\(result)")
  }

  @Test(.enabled(if: hasProgram("strace"), "needs strace"))
  func `the kernel gets the flags of the profile`() throws {
    let path = try fixture.bundle("flags", ["true"]) {
      try $0.set(
        "linux.seccomp",
        #"""
        {"defaultAction":"SCMP_ACT_ALLOW","flags":["SECCOMP_FILTER_FLAG_LOG",
         "SECCOMP_FILTER_FLAG_SPEC_ALLOW"],
         "syscalls":[{"names":["fchmod"],"action":"SCMP_ACT_ERRNO"}]}
        """#)
    }
    let trace = fixture.base.file("trace")
    let result = try fixture.oci(
      ["run", "--bundle", path, fixture.id("flags")],
      program: ["strace", "-f", "-e", "trace=seccomp", "-o", trace, MinidockFixture.runtime])
    #expect(result.status == 0, "\(result)")
    let flags = "SECCOMP_FILTER_FLAG_LOG|SECCOMP_FILTER_FLAG_SPEC_ALLOW, {"
    #expect(Files.text(trace)?.contains(flags) == true, "\(Files.text(trace) ?? "")")
  }

  @Test func `an answer to a question may be waited for in a way that only a kill ends`() throws {
    let socket = fixture.base.file("listener")
    let receiver = try fixture.receiver("notify", socket)
    let more = #"""
      "listenerPath":"\#(socket)","flags":["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"],
      """#
    let result = try run("call", #""action":"SCMP_ACT_NOTIFY""#, more: more)
    #expect(result.output == "error \(EPERM)\n", "\(result)")
    let asked = try receiver.wait(timeoutSeconds: 60).output
    #expect(asked.contains("question \(OCISeccompTests.number)\n"), "\(asked)")
  }

  @Test(arguments: [
    (#""flags":["SECCOMP_FILTER_FLAG_FLY"],"#, "linux.seccomp.flags"),
    // Nobody would wait.
    (#""flags":["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"],"#, "linux.seccomp.flags"),
    (#""architectures":["SCMP_ARCH_Z80"],"#, "SCMP_ARCH_Z80"),
    (#""defaultErrnoRet":7,"#, "errnoRet"),
  ])
  func `what no filter can be is refused`(more: String, reason: String) throws {
    let result = try run("call", #""action":"SCMP_ACT_ERRNO""#, more: more)
    fixture.expectFailure(result, "use linux.seccomp")
    #expect(result.errors.contains(reason), "\(result)")
  }
}
