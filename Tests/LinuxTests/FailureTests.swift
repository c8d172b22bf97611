import Glibc
import Linux
import Testing

@Suite struct FailureTests {
  @Test func `a failure reads as operation, object, reason and remedy`() {
    let failure = Failure(
      .notFound, "find container", "web", reason: "no such container", remedy: "see minidock ps -a")
    #expect("\(failure)" == "find container web: no such container; see minidock ps -a")
    #expect("\(Failure(.invalid, "parse", reason: "it is empty"))" == "parse: it is empty")
    #expect("\(Failure(.invalid, "", reason: "it is empty"))" == "it is empty")
  }

  @Test func `a system call's failure has the error number's text, with a small letter`() {
    #expect("\(Failure(errno: ENOENT, "open", "/x"))" == "open /x: no such file or directory")
    #expect("\(Failure(errno: EIO, "read"))" == "read: input/output error")
    #expect(Failure(errno: EPERM, "open").code == .system)
    #expect("\(Failure(errno: ENOENT, "open", "/x", reason: "gone"))" == "open /x: gone")
  }

  @Test func `seen from a larger operation it keeps its cause, number and remedy`() {
    let inner = Failure(errno: EACCES, "open", "/x", remedy: "run it as root")
    let outer = inner.during("start", "web", remedy: "not this one")
    #expect("\(outer)" == "start web: open /x: permission denied; run it as root")
    #expect(outer.errno == EACCES)
    #expect("\(inner.withRemedy("another"))".hasSuffix("; run it as root"))
    let bare = Failure(errno: EACCES, "open", "/x")
    #expect(bare.during("start", remedy: "help").remedy == "help")
    #expect(bare.withRemedy("help").remedy == "help")
  }

  @Test func `error numbers have their names`() {
    #expect(errorName(ENOENT) == "ENOENT")
    #expect(errorName(ELOOP) == "ELOOP")
    #expect(errorName(12345) == "errno 12345")
    #expect(errorText(0) == "")
    #expect(ErrorNumber.noEntry == ENOENT)
    #expect(ErrorNumber.exists == EEXIST)
  }

  @Test func `check passes results on, repeats after EINTR and throws the number`() throws {
    var calls = 0
    let result = try check("call") {
      calls += 1
      if calls < 3 {
        errno = EINTR
        return -1
      }
      return 7
    }
    #expect(result == 7)
    #expect(calls == 3)
    let failure = thrownBy { () throws(Failure) in
      try check("call", "it") {
        errno = ENOSPC
        return -1
      }
    }
    #expect(failure == Failure(errno: ENOSPC, "call", "it"))
  }
}
