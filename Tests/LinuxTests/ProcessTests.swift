import Glibc
import Linux
import TestSupport
import Testing

@Suite struct ProcessTests {
  /// A program that runs until it is killed: the test's threads block other signals, and so would it.
  private func start(_ program: String) throws -> pid_t {
    var pid: pid_t = 0
    var words: [UnsafeMutablePointer<CChar>?] = [strdup(program), strdup("1000"), nil]
    defer { for word in words { free(word) } }
    try #require(posix_spawn(&pid, program, nil, nil, &words, nil) == 0)
    return pid
  }

  @Test func `a process is itself until it has ended`() throws {
    let pid = try start("/bin/sleep")
    let identity = try #require(ProcessIdentity(of: pid))
    #expect(identity.isAlive)
    #expect(identity == ProcessIdentity(of: pid))
    let inode = Processes.inode(of: pid)
    if let inode {
      #expect(inode != Processes.inode(of: getpid()))
      #expect(Processes.isAlive(pid: pid, inode: inode) == true)
      #expect(Processes.isAlive(pid: getpid(), inode: inode) == false)
    }
    #expect(ProcessStat(pid: pid)?.parent == getpid())
    #expect(try Processes.signal(identity, SIGKILL))
    #expect(try Processes.wait(pid: pid) == .signaled(SIGKILL))
    #expect(!identity.isAlive)
    #expect(Processes.isAlive(pid: pid, inode: inode ?? 0) == false)
    #expect(ProcessIdentity(of: pid) != identity)
    #expect(try !Processes.signal(identity, SIGKILL))
  }

  @Test func `a zombie is not alive`() throws {
    let pid = try start("/bin/sleep")
    let identity = try #require(ProcessIdentity(of: pid))
    let inode = Processes.inode(of: pid)
    try Processes.signal(identity, SIGKILL)
    // Waits for the end without reaping.
    var info = siginfo_t()
    try #require(waitid(P_PID, id_t(pid), &info, WEXITED | WNOWAIT) == 0)
    #expect(ProcessStat(pid: pid)?.state == "Z")
    #expect(!identity.isAlive)
    #expect(Processes.isAlive(pid: pid, inode: inode ?? 0) == false)
    #expect(try Processes.wait(pid: pid) == .signaled(SIGKILL))
  }

  @Test func `another process with the same pid is not signalled`() throws {
    let pid = try start("/bin/sleep")
    let real = try #require(ProcessIdentity(of: pid))
    let earlier = ProcessIdentity(pid: pid, startTime: real.startTime - 1)
    #expect(!earlier.isAlive)
    #expect(try !Processes.signal(earlier, SIGKILL))
    #expect(real.isAlive)
    #expect(try Processes.signal(real, SIGKILL))
    #expect(try Processes.wait(pid: pid).code == 137)
  }

  @Test func `a process's name cannot forge its state or start time`() throws {
    let directory = try TemporaryDirectory("process")
    let program = directory.file("a) Z 1 (b")
    try #require(try run(["cp", "/bin/sleep", program]).status == 0)
    let pid = try start(program)
    // The name is the new program's only once it has been executed; posix_spawn returns after that.
    let stat = try #require(ProcessStat(pid: pid))
    #expect(stat.state != "Z")
    #expect(stat.parent == getpid())
    let identity = try #require(ProcessIdentity(of: pid))
    #expect(identity.startTime > 1)
    try Processes.signal(identity, SIGKILL)
    _ = try Processes.wait(pid: pid)
  }

  @Test(arguments: [0, -1, Int32.max])
  func `there is no process of an impossible pid`(pid: Int32) {
    #expect(ProcessIdentity(of: pid) == nil)
    #expect(!ProcessIdentity(pid: pid, startTime: 0).isAlive)
  }

  @Test func `a wait status has the shell's number`() {
    #expect(Processes.decode(0) == .exited(0))
    #expect(Processes.decode(42 << 8) == .exited(42))
    #expect(Processes.decode(9) == .signaled(9))
    #expect(Processes.decode(11 | 0x80) == .signaled(11))
    #expect(ExitStatus.signaled(15).code == 143)
    #expect(ExitStatus.exited(125).code == 125)
  }

  @Test func `a child is waited for by its handle`() throws {
    let pid = try start("/bin/sleep")
    let handle = try Processes.open(pid: pid)
    #expect(try Processes.wait(pidfd: handle, hang: false) == nil)
    try #require(kill(pid, SIGKILL) == 0)
    #expect(try Processes.wait(pidfd: handle) == .signaled(SIGKILL))
    #expect(thrownBy { () throws(Failure) in _ = try Processes.wait(pid: pid) }?.errno == ECHILD)
  }
}
