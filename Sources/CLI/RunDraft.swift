import Engine
import Linux
import Runtime

/// The flags of `run` as they are taken, one after the other.
struct RunDraft: FlagDraft {
  private var options = RunOptions()
  private var resources = ResourceFlags()
  private var environment: [String] = []
  private var environmentFiles: [String] = []
  private var securityOptions: [String] = []
  private var networks = NetworkWords()

  /// Sets a flag that has no value; false when there is none of this name.
  mutating func turn(_ name: String, _ isOn: Bool) -> Bool {
    switch name {
    case "--rm": options.autoRemove = isOn
    case "-d", "--detach": options.detached = isOn
    case "--no-healthcheck": options.health.isOff = isOn
    case "-i", "--interactive": options.interactive = isOn
    case "-t", "--tty": options.terminal = isOn
    case "--init": options.usesInit = isOn
    case "--read-only": options.readOnly = isOn
    case "--privileged": options.privileged = isOn
    case "--sig-proxy": options.signalProxy = isOn
    case "--trace": options.traced = isOn
    case "-q", "--quiet": options.quietPull = isOn
    case "-P", "--publish-all": options.publishAll = isOn
    case "--oom-kill-disable": resources.oomKillDisable = isOn
    default: return false
    }
    return true
  }

  /// The names of the flags that have a value.
  static let valueNames: [String] = [
    "--name", "-l", "--label", "--cidfile", "--pull", "--platform", "--stop-signal", "-e", "--env",
    "--env-file", "-w", "--workdir", "-u", "--user", "--entrypoint", "--detach-keys", "--group-add",
    "-v", "--volume", "--mount", "--tmpfs", "--shm-size", "--network", "--net", "-h", "--hostname",
    "--domainname", "--network-alias", "--net-alias", "--ip", "--ip6", "--mac-address",
    "--add-host",
    "--dns", "--dns-search", "--dns-option", "--dns-opt", "-m", "--memory",
    "--memory-swap", "--memory-reservation", "--cpus", "-c", "--cpu-shares", "--cpu-quota",
    "--cpu-period", "--cpuset-cpus", "--cpuset-mems", "--pids-limit", "--blkio-weight", "--ulimit",
    "--oom-score-adj", "--cgroup-parent", "--cap-add", "--cap-drop", "--security-opt", "--device",
    "-p", "--publish", "--publish-default", "--expose",
    "--sysctl", "--stop-timeout", "--restart", "--log-driver", "--log-opt", "--volumes-from",
    "--health-cmd", "--health-interval", "--health-timeout", "--health-retries",
    "--health-start-period", "--health-start-interval", "--health-on-failure",
  ]

  /// Whether a flag of this name has a value.
  func takesValue(_ name: String) -> Bool { RunDraft.valueNames.contains(name) }

  /// Sets a flag that has a value.
  ///
  /// - Throws: ``Failure/Code/invalid`` naming the flag and what is wrong with its value.
  mutating func set(_ name: String, _ value: String) throws(Failure) {
    if try setContainer(name, value) { return }
    if try setSupervision(name, value) { return }
    if try setProcess(name, value) { return }
    if try setFiles(name, value) { return }
    if try setNetwork(name, value) { return }
    if try setLimits(name, value) { return }
    try setSecurity(name, value)
  }

  private mutating func setContainer(_ name: String, _ value: String) throws(Failure) -> Bool {
    switch name {
    case "--name": options.name = value
    case "-l", "--label":
      let parts = value.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard let key = parts.first, !key.isEmpty else {
        throw wrong("--label", value, "it has no key")
      }
      options.labels[String(key)] = parts.count == 2 ? String(parts[1]) : ""
    case "--cidfile": options.containerIDFile = value
    case "--pull":
      guard let policy = PullPolicy(rawValue: value) else {
        throw wrong(name, value, "it is not always, missing or never")
      }
      options.pull = policy
    case "--platform": options.platform = value
    case "--stop-signal": options.stopSignal = value
    default: return false
    }
    return true
  }

  private mutating func setSupervision(
    _ name: String, _ value: String
  ) throws(Failure) -> Bool {
    func time() throws(Failure) -> Int64 { try Duration.nanoseconds(value, flag: name) }
    switch name {
    case "--stop-timeout": options.stopTimeout = try number(name, value)
    case "--restart": options.restart = try RestartPolicy(value)
    case "--log-driver": try options.log.setDriver(value)
    case "--log-opt": try options.log.set(value)
    case "--health-cmd": options.health.command = ["/bin/sh", "-c", value]
    case "--health-interval": options.health.interval = try time()
    case "--health-timeout": options.health.timeout = try time()
    case "--health-start-period": options.health.startPeriod = try time()
    case "--health-start-interval": options.health.startInterval = try time()
    case "--health-retries": options.health.retries = try number(name, value)
    case "--health-on-failure":
      guard let action = HealthOptions.Action(rawValue: value) else {
        throw wrong(name, value, "it is not none, kill, restart or stop")
      }
      options.health.onFailure = action
    default: return false
    }
    return true
  }

  private mutating func setProcess(_ name: String, _ value: String) throws(Failure) -> Bool {
    switch name {
    case "-e", "--env": environment.append(value)
    case "--env-file": environmentFiles.append(value)
    case "-w", "--workdir": options.workingDirectory = value
    case "-u", "--user": options.user = value
    case "--entrypoint": options.entrypoint = value.isEmpty ? [] : [value]
    case "--detach-keys": options.detachKeys = value
    case "--group-add": options.groups.append(value)
    default: return false
    }
    return true
  }

  private mutating func setFiles(_ name: String, _ value: String) throws(Failure) -> Bool {
    switch name {
    case "-v", "--volume": options.mounts.append(try MountRequest(volume: value))
    case "--volumes-from": options.volumesFrom.append(value)
    case "--mount": options.mounts.append(try MountRequest(mount: value))
    case "--tmpfs": options.mounts.append(try MountRequest(tmpfs: value))
    case "--shm-size":
      options.shmSize = try ByteCount(value, flag: name).bytes
      guard options.shmSize > 0 else { throw wrong(name, value, "it is not above zero") }
    default: return false
    }
    return true
  }

  private mutating func setNetwork(_ name: String, _ value: String) throws(Failure) -> Bool {
    switch name {
    case "--network", "--net": networks.networks.append(value)
    case "--network-alias", "--net-alias": networks.aliases.append(value)
    case "--ip": networks.address = value
    case "--ip6": networks.address6 = value
    case "--mac-address": networks.mac = value
    case "-h", "--hostname": options.hostname = value
    case "--domainname": options.domainname = value
    case "-p", "--publish": options.publish += try PortRequest.parse(publish: value)
    case "--publish-default":
      options.publishDefault = try PortRequest.parse(defaultAddress: value)
    case "--expose": options.expose += try PortRequest.parse(expose: value)
    case "--add-host": options.extraHosts.append(value)
    case "--dns": options.dns.append(value)
    case "--dns-search": options.dnsSearch.append(value)
    case "--dns-option", "--dns-opt": options.dnsOptions.append(value)
    default: return false
    }
    return true
  }

  private mutating func setLimits(_ name: String, _ value: String) throws(Failure) -> Bool {
    switch name {
    case "-m", "--memory": resources.memory = value
    case "--memory-swap": resources.memorySwap = value
    case "--memory-reservation": resources.memoryReservation = value
    case "--cpus": resources.cpus = value
    case "-c", "--cpu-shares": resources.cpuShares = try number(name, value)
    case "--cpu-quota": resources.cpuQuota = try number(name, value)
    case "--cpu-period": resources.cpuPeriod = try number(name, value)
    case "--cpuset-cpus": resources.cpusetCPUs = value
    case "--cpuset-mems": resources.cpusetMems = value
    case "--pids-limit": resources.pidsLimit = try number(name, value)
    case "--blkio-weight": resources.blkioWeight = try number(name, value)
    case "--ulimit": options.limits.append(try parseUlimit(value))
    case "--oom-score-adj":
      let adjust: Int = try number(name, value)
      guard (-1000...1000).contains(adjust) else {
        throw wrong(name, value, "it is not from -1000 to 1000")
      }
      options.oomScoreAdjust = adjust
    case "--cgroup-parent": options.cgroupParent = value
    default: return false
    }
    return true
  }

  private mutating func setSecurity(_ name: String, _ value: String) throws(Failure) {
    switch name {
    case "--cap-add": options.capabilitiesAdded.append(value)
    case "--cap-drop": options.capabilitiesDropped.append(value)
    case "--security-opt": securityOptions.append(value)
    case "--device": options.devices.append(try DeviceRequest(value))
    default:
      let parts = value.split(separator: "=", maxSplits: 1).map(String.init)
      guard parts.count == 2 else { throw wrong(name, value, "it is not NAME=VALUE") }
      options.sysctls[parts[0]] = parts[1]
    }
  }

  // What the host's administrator has set holds unless the user says otherwise.
  private func completePorts(_ options: inout RunOptions) throws(Failure) {
    let variable = "MINIDOCK_PUBLISH_DEFAULT"
    if options.publishDefault == nil, !options.publish.isEmpty || options.publishAll,
      let text = Console.environment(variable), !text.isEmpty
    {
      options.publishDefault = try PortRequest.parse(defaultAddress: text, flag: variable)
    }
    if let warning = options.discardedPorts { Console.error("minidock: \(warning)") }
  }

  private func check(_ options: RunOptions) throws(Failure) {
    if options.autoRemove && options.restart.kind != .no {
      throw wrong("--restart", options.restart.text, "it and --rm exclude each other")
    }
    let health = options.health
    if health.isOff && !health.command.isEmpty {
      throw wrong("--no-healthcheck", "true", "it and --health-cmd exclude each other")
    }
    for (name, time) in [
      ("--health-interval", health.interval), ("--health-timeout", health.timeout),
      ("--health-start-interval", health.startInterval),
    ] where time != 0 && time < 1_000_000 {
      throw wrong(name, "\(time)ns", "the least is 1ms")
    }
    if health.retries < 0 { throw wrong("--health-retries", "\(health.retries)", "it is below 0") }
  }

  /// Everything together.
  ///
  /// - Parameter forCreation: for `create`, which runs nothing yet.
  func finish(
    image: String, command: [String], forCreation: Bool = false
  ) throws(Failure) -> RunOptions {
    var options = options
    options.image = image
    options.command = command
    var entries: [[String]] = []
    for path in environmentFiles { entries.append(try Environment.entries(file: path)) }
    for text in environment {
      if let entry = try Environment.entry(text, flag: "--env") { entries.append([entry]) }
    }
    options.environment = Environment.merge(entries)
    options.security = try SecurityOptions(securityOptions)
    try options.take(networks)
    // Whether swap can be limited matters only where docker's default would set it.
    let asksForSwap = resources.memory != nil && resources.memorySwap == nil
    options.resources = try resources.resources(
      swapIsLimitable: asksForSwap ? try CgroupHierarchy.detect().accountsSwap : false)
    try completePorts(&options)
    try check(options)
    if options.terminal && options.interactive && !options.detached && !forCreation,
      !Terminal.isTerminal(0)
    {
      throw Failure(
        .invalid, "run", "-it", reason: "the input device is not a terminal",
        remedy: "use -i alone when input comes from a pipe or file")
    }
    return options
  }

  private func number<Number: FixedWidthInteger>(
    _ name: String, _ value: String
  ) throws(Failure) -> Number {
    guard let number = Number(value) else {
      throw wrong(name, value, "it is not a number in range")
    }
    return number
  }

  private func wrong(_ name: String, _ value: String, _ reason: String) -> Failure {
    Failure(.invalid, "parse", "\(name)=\(value)", reason: reason)
  }
}
