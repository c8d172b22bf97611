import Linux
import Net
import Runtime

/// What a container was asked to be, as a file beside its record: all that a later start needs and the
/// record, which lists are made of, does not have.
extension RunOptions {
  /// As a file. What only one start is about (attached streams, the trace) and what the record has
  /// (command, environment, user …) is left out.
  var fields: FieldText {
    var text = FieldText()
    for (key, flag) in switches where flag { text.add("flag", key) }
    text.add("group", groups)
    text.add("domainname", domainname)
    for mount in mounts { text.add("mount", mount.field) }
    text.add("volumes-from", volumesFrom)
    for limit in limits { text.add("limit", "\(limit.type) \(limit.soft) \(limit.hard)") }
    text.add("shm-size", shmSize)
    text.add("cap-add", capabilitiesAdded)
    text.add("cap-drop", capabilitiesDropped)
    if security.noNewPrivileges { text.add("flag", "no-new-privileges") }
    switch security.seccomp {
    case .standard: break
    case .unconfined: text.add("seccomp", "unconfined")
    case .file(let path): text.add("seccomp", "file " + path)
    }
    for device in devices {
      text.add("device", "\(device.access) \(device.source.count) \(device.source)\(device.target)")
    }
    for (name, value) in sysctls.sorted(by: { $0.key < $1.key }) {
      text.add("sysctl", "\(name)=\(value)")
    }
    text.add("oom-score-adj", oomScoreAdjust.map { String($0) })
    text.add("cgroup-parent", cgroupParent)
    text.add("extra-host", extraHosts)
    text.add("dns", dns)
    text.add("dns-search", dnsSearch)
    text.add("dns-option", dnsOptions)
    text.add("publish", publish.map(\.field))
    text.add("publish-default", publishDefault?.description)
    text.add("expose", expose)
    text.add("detach-keys", detachKeys)
    text.add("restart", restart.text)
    text.add("stop-timeout", stopTimeout.map { String($0) })
    addResources(to: &text)
    addLog(to: &text)
    addHealth(to: &text)
    return text
  }

  private var switches: [(String, Bool)] {
    [
      ("auto-remove", autoRemove), ("interactive", interactive), ("terminal", terminal),
      ("read-only", readOnly), ("privileged", privileged), ("init", usesInit),
      ("detached", detached), ("publish-all", publishAll),
    ]
  }

  private func addResources(to text: inout FieldText) {
    func add<Number: BinaryInteger>(_ key: String, _ value: Number?) {
      text.add(key, value.map { String($0) })
    }
    add("memory", resources.memory?.limit)
    add("memory-swap", resources.memory?.swap)
    add("memory-reservation", resources.memory?.reservation)
    if resources.memory?.disableOOMKiller == true { text.add("flag", "oom-kill-disable") }
    add("cpu-shares", resources.cpu?.shares)
    add("cpu-quota", resources.cpu?.quota)
    add("cpu-period", resources.cpu?.period)
    text.add("cpuset-cpus", resources.cpu?.cpus)
    text.add("cpuset-mems", resources.cpu?.mems)
    add("pids-limit", resources.pids?.limit)
    add("blkio-weight", resources.blockIO?.weight)
  }

  private func addLog(to text: inout FieldText) {
    if log.isExplicit { text.add("flag", "log") }
    if !log.isOn { text.add("flag", "log-none") }
    text.add("log-max-size", log.maximumSize)
    text.add("log-max-file", log.maximumFiles)
  }

  private func addHealth(to text: inout FieldText) {
    if health.isOff { text.add("flag", "health-off") }
    guard health.isActive else { return }
    text.add("health", health.command)
    text.add(
      "health-times",
      "\(health.interval) \(health.timeout) \(health.startPeriod) \(health.startInterval)")
    text.add("health-retries", health.retries)
    text.add("health-on-failure", health.onFailure.rawValue)
  }

  /// From a file; what the record has is taken from there.
  init(_ text: FieldText, _ record: ContainerRecord) {
    self.init()
    image = record.image
    command = record.command
    name = record.name
    environment = record.environment
    workingDirectory = record.workingDirectory
    user = record.user
    hostname = record.hostname
    network = record.network
    attachments = record.attachments
    stopSignal = record.stopSignal
    let flags = text.all("flag")
    autoRemove = flags.contains("auto-remove")
    interactive = flags.contains("interactive")
    terminal = flags.contains("terminal")
    readOnly = flags.contains("read-only")
    privileged = flags.contains("privileged")
    usesInit = flags.contains("init")
    detached = flags.contains("detached")
    security.noNewPrivileges = flags.contains("no-new-privileges")
    groups = text.all("group")
    domainname = text["domainname"]
    mounts = text.all("mount").compactMap(MountRequest.init(field:))
    volumesFrom = text.all("volumes-from")
    limits = text.all("limit").compactMap(RunOptions.limit)
    shmSize = text.number("shm-size") ?? shmSize
    capabilitiesAdded = text.all("cap-add")
    capabilitiesDropped = text.all("cap-drop")
    if let seccomp = text["seccomp"] {
      security.seccomp =
        seccomp.hasPrefix("file ") ? .file(String(seccomp.dropFirst(5))) : .unconfined
    }
    devices = text.all("device").compactMap(DeviceRequest.init(field:))
    for entry in text.all("sysctl") {
      let parts = entry.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      sysctls[String(parts[0])] = parts.count == 2 ? String(parts[1]) : ""
    }
    oomScoreAdjust = text.number("oom-score-adj")
    cgroupParent = text["cgroup-parent"]
    extraHosts = text.all("extra-host")
    dns = text.all("dns")
    dnsSearch = text.all("dns-search")
    dnsOptions = text.all("dns-option")
    publish = text.all("publish").compactMap(PortRequest.init(field:))
    publishAll = flags.contains("publish-all")
    publishDefault = text["publish-default"].flatMap { PublishedPort.HostAddress($0) }
    expose = text.all("expose")
    detachKeys = text["detach-keys"] ?? detachKeys
    restart = (try? RestartPolicy(text["restart"] ?? "no")) ?? RestartPolicy()
    stopTimeout = text.number("stop-timeout")
    takeResources(text, oomKillDisable: flags.contains("oom-kill-disable"))
    log.isExplicit = flags.contains("log")
    log.isOn = !flags.contains("log-none")
    log.maximumSize = text.number("log-max-size") ?? log.maximumSize
    log.maximumFiles = text.number("log-max-file") ?? log.maximumFiles
    health.isOff = flags.contains("health-off")
    takeHealth(text)
  }

  private static func limit(_ field: String) -> Spec.Rlimit? {
    let parts = field.split(separator: " ")
    guard parts.count == 3, let soft = UInt64(parts[1]), let hard = UInt64(parts[2]) else {
      return nil
    }
    return Spec.Rlimit(type: String(parts[0]), hard: hard, soft: soft)
  }

  private mutating func takeResources(_ text: FieldText, oomKillDisable: Bool) {
    var memory = Resources.Memory()
    memory.limit = text.number("memory")
    memory.swap = text.number("memory-swap")
    memory.reservation = text.number("memory-reservation")
    if oomKillDisable { memory.disableOOMKiller = true }
    if memory != Resources.Memory() { resources.memory = memory }
    var cpu = Resources.CPU()
    cpu.shares = text.number("cpu-shares")
    cpu.quota = text.number("cpu-quota")
    cpu.period = text.number("cpu-period")
    cpu.cpus = text["cpuset-cpus"]
    cpu.mems = text["cpuset-mems"]
    if cpu != Resources.CPU() { resources.cpu = cpu }
    if let limit = text.number("pids-limit", as: Int64.self) {
      resources.pids = Resources.Pids(limit: limit)
    }
    if let weight = text.number("blkio-weight", as: UInt16.self) {
      resources.blockIO = Resources.BlockIO(weight: weight)
    }
  }

  private mutating func takeHealth(_ text: FieldText) {
    health.command = text.all("health")
    let times = (text["health-times"] ?? "").split(separator: " ").compactMap { Int64($0) }
    if times.count == 4 {
      (health.interval, health.timeout, health.startPeriod, health.startInterval) =
        (times[0], times[1], times[2], times[3])
    }
    health.retries = text.number("health-retries") ?? 0
    health.onFailure = HealthOptions.Action(rawValue: text["health-on-failure"] ?? "") ?? .none
  }
}

extension MountRequest {
  /// One field: the parts that hold free text have their length in front.
  var field: String {
    let flags =
      (readOnly ? "r" : "-") + (nonRecursive ? "n" : "-") + (createsSource ? "c" : "-")
      + (noCopy ? "x" : "-") + (isAnonymous ? "a" : "-")
    let parts = [source, target, propagation, options.joined(separator: ",")]
    return "\(kind.rawValue) \(flags) "
      + parts.map { "\($0.utf8.count):\($0)" }.joined()
  }

  init?(field: String) {
    let words = field.split(separator: " ", maxSplits: 2).map(String.init)
    guard words.count == 3, let kind = Kind(rawValue: words[0]) else { return nil }
    var parts: [String] = []
    var rest = Array(words[2].utf8)[...]
    while let colon = rest.firstIndex(of: UInt8(ascii: ":")) {
      guard let count = Int(String(decoding: rest[..<colon], as: UTF8.self)), count >= 0,
        rest.distance(from: colon, to: rest.endIndex) > count
      else { return nil }
      let start = colon + 1
      parts.append(String(decoding: rest[start..<(start + count)], as: UTF8.self))
      rest = rest[(start + count)...]
    }
    guard parts.count == 4 else { return nil }
    self.init(kind: kind, source: parts[0], target: parts[1])
    propagation = parts[2]
    options = parts[3].isEmpty ? [] : parts[3].split(separator: ",").map(String.init)
    readOnly = words[1].contains("r")
    nonRecursive = words[1].contains("n")
    createsSource = words[1].contains("c")
    noCopy = words[1].contains("x")
    isAnonymous = words[1].contains("a")
  }
}

extension DeviceRequest {
  fileprivate init?(field: String) {
    let words = field.split(separator: " ", maxSplits: 2).map(String.init)
    guard words.count == 3, let count = Int(words[1]), count <= words[2].count else { return nil }
    access = words[0]
    source = String(words[2].prefix(count))
    target = String(words[2].dropFirst(count))
  }
}
