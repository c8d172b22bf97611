import Linux
import Net
import Runtime
import Testing

@testable import Engine

@Suite struct RunOptionsFieldsTests {
  /// What a later start does not need, and what the record has.
  static let elsewhere: Set = [
    "image", "command", "name", "environment", "workingDirectory", "user", "hostname", "network",
    "stopSignal", "entrypoint", "labels", "containerIDFile", "pull", "platform", "signalProxy",
    "detached", "traced", "attachments", "quietPull",
  ]

  /// Options in which nothing that is stored has its default.
  static func full() throws(Failure) -> RunOptions {
    var options = RunOptions()
    options.autoRemove = true
    options.interactive = true
    options.terminal = true
    options.groups = ["wheel", "10"]
    options.domainname = "example.org"
    var bind = try MountRequest(volume: "/a b:/c:ro,rslave,bind-nonrecursive")
    bind.options = []
    options.mounts = [
      bind, try MountRequest(volume: "data:/d:nocopy"), try MountRequest(volume: "/anonymous"),
      try MountRequest(mount: "type=volume,source=x1,target=/e:f 1:2,readonly"),
      try MountRequest(tmpfs: "/t:size=1m"),
    ]
    options.readOnly = true
    var memory = Resources.Memory()
    (memory.limit, memory.swap, memory.reservation) = (1 << 30, 2 << 30, 1 << 20)
    memory.disableOOMKiller = true
    var cpu = Resources.CPU()
    (cpu.shares, cpu.quota, cpu.period, cpu.cpus, cpu.mems) = (512, 50_000, 100_000, "0-1", "0")
    options.resources.memory = memory
    options.resources.cpu = cpu
    options.resources.pids = Resources.Pids(limit: 77)
    options.resources.blockIO = Resources.BlockIO(weight: 300)
    options.cgroupParent = "/some where"
    options.limits = [try parseUlimit("nofile=1024:2048"), try parseUlimit("core=-1")]
    options.shmSize = 1 << 20
    options.capabilitiesAdded = ["NET_ADMIN", "SYS_TIME"]
    options.capabilitiesDropped = ["ALL"]
    options.privileged = true
    options.security.noNewPrivileges = true
    options.security.seccomp = .file("/profile=x.json")
    options.devices = [
      try DeviceRequest("/dev/fuse:/dev/f g:rw"), try DeviceRequest("/dev/null"),
    ]
    options.sysctls = ["net.ipv4.ip_forward": "1=2"]
    options.usesInit = true
    options.oomScoreAdjust = -500
    options.extraHosts = ["a:1.2.3.4", "b:host-gateway"]
    options.dns = ["9.9.9.9"]
    options.dnsSearch = ["example.org", "example.net"]
    options.dnsOptions = ["ndots:2"]
    options.publish = try PortRequest.parse(publish: "127.0.0.1:8080:80/udp")
    options.publishAll = true
    options.publishDefault = PublishedPort.HostAddress("127.0.0.1")
    options.expose = ["80/tcp", "90-91/udp"]
    options.detachKeys = "ctrl-x,\n"
    options.restart = try RestartPolicy("on-failure:3")
    options.stopTimeout = -1
    options.log.isExplicit = true
    options.log.isOn = false
    options.log.maximumSize = 4096
    options.log.maximumFiles = 7
    options.health.command = ["/bin/sh", "-c", "line 1\nline 2\\"]
    (options.health.interval, options.health.timeout) = (1_000_000, 2_000_000)
    (options.health.startPeriod, options.health.startInterval) = (3_000_000, 4_000_000)
    options.health.retries = 5
    options.health.onFailure = .restart
    options.volumesFrom = ["web", "database:ro"]
    return options
  }

  private func read(_ options: RunOptions) -> RunOptions {
    RunOptions(FieldText(parsing: options.fields.bytes), ContainerRecord())
  }

  private func children(_ options: RunOptions) -> [String: String] {
    var result: [String: String] = [:]
    for child in Mirror(reflecting: options).children {
      if let label = child.label { result[label] = String(reflecting: child.value) }
    }
    return result
  }

  @Test func `every option that a later start needs survives its file`() throws {
    let full = try RunOptionsFieldsTests.full()
    let standard = children(RunOptions())
    let given = children(full)
    let back = children(read(full))
    for (name, value) in given where !RunOptionsFieldsTests.elsewhere.contains(name) {
      #expect(value != standard[name], "\(name) has its default here, so that nothing is tested")
      #expect(back[name] == value, "\(name)")
    }
  }

  @Test func `options with their defaults stay so`() {
    let standard = children(RunOptions())
    let back = children(read(RunOptions()))
    for (name, value) in standard where !RunOptionsFieldsTests.elsewhere.contains(name) {
      #expect(back[name] == value, "\(name)")
    }
    var off = RunOptions()
    off.health.isOff = true
    off.security.seccomp = .unconfined
    #expect(read(off).health.isOff)
    #expect(read(off).security.seccomp == .unconfined)
  }
}
