import Linux
import Testing

@testable import Runtime

@Suite struct InitPlanTests {
  private func plan(_ change: (inout Spec) -> Void) throws(Failure) -> InitPlan {
    var spec = Spec()
    spec.linux = Spec.Linux()
    spec.linux?.namespaces = [Spec.Namespace(type: "mount"), Spec.Namespace(type: "pid")]
    spec.process = Spec.Process()
    change(&spec)
    return try InitPlan(
      spec: spec, root: .directory(path: "/r"), seccomp: [1, 2], cgroupMounts: { _, _ in [] })
  }

  private func failure(_ change: (inout Spec) -> Void) -> Failure? {
    thrownBy { () throws(Failure) in _ = try plan(change) }
  }

  @Test func `a specification becomes a plan, field by field`() throws {
    let plan = try plan {
      $0.root = Spec.Root(path: "rootfs", readonly: true)
      $0.hostname = "web"
      $0.domainname = "lan"
      $0.linux?.namespaces? += ["uts", "ipc", "network", "cgroup"].map { Spec.Namespace(type: $0) }
      $0.linux?.sysctl = ["net.b": "2", "kernel.a": "1"]
      $0.process?.args = ["sh", "-c", "true"]
      $0.process?.env = ["A=1"]
      $0.process?.cwd = "/work"
      $0.process?.user.uid = 1000
      $0.process?.user.gid = 100
      $0.process?.user.additionalGids = [4, 20]
      $0.process?.user.umask = 0o077
      $0.process?.noNewPrivileges = true
      $0.process?.oomScoreAdj = -500
      $0.process?.terminal = true
      $0.process?.consoleSize = Spec.ConsoleSize(height: 24, width: 80)
      $0.process?.rlimits = [Spec.Rlimit(type: "RLIMIT_NOFILE", hard: 20, soft: 10)]
    }
    #expect(plan.root == .directory(path: "/r"))
    #expect(plan.rootReadOnly)
    #expect(plan.hostname == "web")
    #expect(plan.domainname == "lan")
    #expect(plan.namespaces == [.mount, .uts, .ipc, .network, .cgroup])
    #expect(plan.sysctls.map(\.name) == ["kernel.a", "net.b"])
    let process = plan.process
    #expect(process.arguments == ["sh", "-c", "true"])
    #expect(process.environment == ["A=1"])
    #expect(process.workingDirectory == "/work")
    #expect([process.uid, process.gid] + process.groups == [1000, 100, 4, 20])
    #expect(process.umask == 0o077)
    #expect(process.noNewPrivileges)
    #expect(process.oomScoreAdjust == -500)
    #expect(process.hasTerminal)
    #expect(process.terminalSize?.rows == 24)
    #expect(process.terminalSize?.columns == 80)
    #expect(process.rlimits == [ResourceLimit(resource: 7, soft: 10, hard: 20)])
    #expect(process.seccomp == [1, 2])
  }

  @Test func `what is not said has the safe default`() throws {
    let plan = try plan { _ in }
    #expect(plan.rootPropagation == .slave)
    #expect(!plan.rootReadOnly)
    #expect(plan.process.workingDirectory == "/")
    #expect(plan.process.umask == 0o022)
    #expect(plan.process.capabilities == CapabilityMasks())
    #expect(plan.process.userText == nil)
    #expect(plan.process.oomScoreAdjust == nil)
    #expect(try self.plan { $0.process?.cwd = "" }.process.workingDirectory == "/")
  }

  @Test(arguments: [
    ("", Propagation.slave), ("rslave", .slave), ("slave", .slave), ("rprivate", .isPrivate),
    ("private", .isPrivate), ("shared", .shared), ("rshared", .shared), ("unbindable", .unbindable),
  ])
  func `the root's propagation has its names`(name: String, propagation: Propagation) throws {
    #expect(try plan { $0.linux?.rootfsPropagation = name }.rootPropagation == propagation)
  }

  @Test func `what cannot be carried out is an error that names it`() {
    let cases: [(Failure?, Failure.Code, String)] = [
      (failure { $0.linux?.rootfsPropagation = "loud" }, .invalid, "loud"),
      (failure { $0.linux?.namespaces = [] }, .unsupported, "mount namespace"),
      (failure { $0.linux = nil }, .unsupported, "mount namespace"),
      (failure { $0.linux?.namespaces? += [Spec.Namespace(type: "time")] }, .unsupported, "time"),
      (failure { $0.linux?.namespaces? += [Spec.Namespace(type: "net")] }, .unsupported, "net"),
      (
        failure {
          $0.linux?.namespaces? += [Spec.Namespace(type: "network", path: "/proc/1/ns/net")]
        },
        .unsupported, "/proc/1/ns/net"
      ),
      (
        failure { $0.process?.rlimits = [Spec.Rlimit(type: "RLIMIT_FOO", hard: 1, soft: 1)] },
        .invalid, "RLIMIT_FOO"
      ),
      (
        failure { $0.process?.rlimits = [Spec.Rlimit(type: "RLIMIT_CPU", hard: 1, soft: 2)] },
        .invalid, "soft limit 2 is above the hard limit 1"
      ),
      (
        failure {
          $0.process?.capabilities = Spec.Capabilities()
          $0.process?.capabilities?.ambient = ["CAP_EVERYTHING"]
        }, .invalid, "CAP_EVERYTHING"
      ),
      (failure { $0.mounts = [Spec.Mount(destination: "x")] }, .invalid, "x"),
    ]
    for (failure, code, text) in cases {
      #expect(failure?.code == code, "\(text)")
      #expect(failure?.description.contains(text) == true, "\(failure?.description ?? "none")")
    }
  }

  @Test func `capabilities go to the sets that they are named for`() throws {
    let masks = try plan {
      $0.process?.capabilities = Spec.Capabilities()
      $0.process?.capabilities?.bounding = ["CAP_CHOWN", "CAP_KILL"]
      $0.process?.capabilities?.effective = ["CAP_CHOWN"]
      $0.process?.capabilities?.permitted = ["CAP_KILL"]
    }.process.capabilities
    #expect(masks.bounding == 0b100001)
    #expect(masks.effective == 1)
    #expect(masks.permitted == 0b100000)
    #expect(masks.inheritable == 0)
    #expect(masks.ambient == 0)
  }

  @Test func `sec12_CVE_2022_24769_allowedCapabilitiesAreNeverInheritable`() {
    let masks = CapabilityMasks(allowing: 0xa804_25fb)
    #expect(masks.inheritable == 0)
    #expect(masks.ambient == 0)
    #expect(masks.bounding == 0xa804_25fb)
  }

  @Test func `a score out of range is clamped to 32 bits, not wrapped`() throws {
    #expect(try plan { $0.process?.oomScoreAdj = .max }.process.oomScoreAdjust == Int32.max)
  }
}
