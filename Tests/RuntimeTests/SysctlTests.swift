import Linux
import Testing

@testable import Runtime

@Suite struct SysctlTests {
  private func failure(_ name: String, ipc: Bool = true, network: Bool = true) -> Failure? {
    thrownBy { () throws(Failure) in
      try Sysctls.validate(name, ownIPC: ipc, ownNetwork: network)
    }
  }

  @Test(arguments: [
    "net.ipv4.ip_forward", "net.core.somaxconn", "kernel.msgmax", "kernel.shm_rmid_forced",
    "kernel.sem", "fs.mqueue.msg_max",
  ])
  func `parameters of the container's own namespaces can be set`(name: String) {
    #expect(failure(name) == nil)
  }

  @Test(arguments: [
    "kernel.core_pattern", "kernel.panic", "vm.swappiness", "fs.file-max", "kernel.msgmaxx",
    "kernel.hostname", "netfoo", "kernel", "user.max_user_namespaces",
  ])
  func `parameters of the host are refused`(name: String) {
    #expect(failure(name)?.code == .refused)
    #expect(failure(name)?.object == name)
  }

  @Test func `a namespace shared with the host makes its parameters the host's`() {
    #expect(failure("net.core.somaxconn", network: false)?.code == .refused)
    #expect(failure("net.core.somaxconn", ipc: false) == nil)
    #expect(failure("kernel.sem", ipc: false)?.code == .refused)
    #expect(failure("fs.mqueue.msg_max", ipc: false)?.code == .refused)
    #expect(failure("kernel.sem", network: false) == nil)
  }

  @Test(arguments: ["", "net/../kernel/panic", "net.ipv4/x", "net...kernel.panic", "/net.x"])
  func `a malformed name is an error`(name: String) {
    #expect(failure(name)?.code == .invalid)
  }
}
