import Linux
import TestSupport
import Testing

@testable import Runtime

@Suite struct CommandSearchTests {
  private func candidates(_ command: String, _ environment: [String]) -> [String] {
    CommandSearch(arguments: [command], environment: environment).candidates(for: command)
  }

  @Test func `PATH is searched in its order`() {
    #expect(candidates("sh", ["A=1", "PATH=/bin:/usr/bin"]) == ["/bin/sh", "/usr/bin/sh"])
    #expect(candidates("sh", ["PATH=/a", "PATH=/b"]) == ["/b/sh"])
    #expect(candidates("sh", ["PATH=/a::/b"]) == ["/a/sh", "./sh", "/b/sh"])
  }

  @Test func `without a PATH the usual folders are searched`() {
    #expect(candidates("sh", []).first == "/usr/local/sbin/sh")
    #expect(candidates("sh", ["PATHS=/x"]).last == "/bin/sh")
  }

  @Test func `a command with a slash is taken as it is`() {
    for command in ["/bin/sh", "./sh", "bin/sh"] {
      #expect(candidates(command, ["PATH=/a"]) == [command])
    }
  }

  @Test func `no command at all is not found`() {
    for arguments in [[], [""]] {
      let search = CommandSearch(arguments: arguments, environment: [])
      #expect(
        thrownBy { () throws(Failure) in try search.execute() }?.code == .commandNotFound)
    }
  }
}
