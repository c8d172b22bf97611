import Linux

/// Judges the `linux` object of a specification.
struct LinuxCheck {
  let spec: Spec
  let linux: Spec.Linux

  func run() throws(Failure) {
    try checkNamespaces()
    try checkMappings()
    try checkTimeOffsets()
    try checkDevices()
    try checkSysctls()
    try checkPaths()
    try checkLinks()
    try checkUnsupported()
    // Of the form for --systemd-cgroup: judged where it is used (``SystemdUnit``).
    if let path = linux.cgroupsPath, !path.isEmpty, !SystemdUnit.hasForm(path) {
      do throws(Failure) { try Cgroup.validate(path: path) } catch {
        throw Failure.field("linux.cgroupsPath", "\(error.reason): \"\(path)\"")
      }
    }
    do throws(Failure) { _ = try InitPlan.propagation(linux.rootfsPropagation) } catch {
      throw Failure.field(
        "linux.rootfsPropagation", "\"\(linux.rootfsPropagation ?? "")\" is no propagation")
    }
  }

  /// The specification's word for a namespace, as the kernel's flag.
  static func kind(_ type: String) -> Namespaces? {
    switch type {
    case "mount": .mount
    case "pid": .pid
    case "network": .network
    case "ipc": .ipc
    case "uts": .uts
    case "user": .user
    case "cgroup": .cgroup
    case "time": .time
    default: nil
    }
  }

  private func namespace(_ type: String) -> Spec.Namespace? {
    (linux.namespaces ?? []).first { $0.type == type }
  }

  private func checkNamespaces() throws(Failure) {
    var seen: [String] = []
    for (index, entry) in (linux.namespaces ?? []).enumerated() {
      let field = "linux.namespaces[\(index)]"
      guard let kind = LinuxCheck.kind(entry.type) else {
        throw Failure.field(field + ".type", "\"\(entry.type)\" is no namespace")
      }
      guard !seen.contains(entry.type) else {
        throw Failure.field(field + ".type", "\(entry.type) is given twice")
      }
      seen.append(entry.type)
      if let path = entry.path {
        guard path.hasPrefix("/") else {
          throw Failure.field(field + ".path", "\"\(path)\" is not an absolute path")
        }
        if kind == .mount {
          throw Failure.field(
            field + ".path", "minidock makes the mount namespace itself", code: .unsupported)
        }
      }
    }
    guard namespace("mount") != nil else {
      throw Failure.field(
        "linux.namespaces", "there is no mount namespace", code: .unsupported,
        remedy: "minidock makes no container in the host's")
    }
  }

  private func checkMappings() throws(Failure) {
    let user = namespace("user")
    let uids = linux.uidMappings ?? []
    let gids = linux.gidMappings ?? []
    if user == nil, !uids.isEmpty || !gids.isEmpty {
      throw Failure.field(
        uids.isEmpty ? "linux.gidMappings" : "linux.uidMappings",
        "linux.namespaces has no user namespace")
    }
    if let user, user.path == nil {
      if uids.isEmpty { throw Failure.field("linux.uidMappings", "it is missing") }
      if gids.isEmpty { throw Failure.field("linux.gidMappings", "it is missing") }
    }
    try IDMaps.check(uids, "linux.uidMappings")
    try IDMaps.check(gids, "linux.gidMappings")
  }

  private func checkTimeOffsets() throws(Failure) {
    guard let offsets = linux.timeOffsets, !offsets.isEmpty else { return }
    guard let time = namespace("time"), time.path == nil else {
      throw Failure.field("linux.timeOffsets", "linux.namespaces has no new time namespace")
    }
    for (clock, offset) in offsets {
      guard clock == "monotonic" || clock == "boottime" else {
        throw Failure.field(
          "linux.timeOffsets.\(clock)", "only monotonic and boottime can differ")
      }
      guard offset.nanosecs < 1_000_000_000 else {
        throw Failure.field(
          "linux.timeOffsets.\(clock).nanosecs", "\(offset.nanosecs) is more than a second")
      }
    }
  }

  private func checkDevices() throws(Failure) {
    var seen: [String] = []
    for (index, device) in (linux.devices ?? []).enumerated() {
      let field = "linux.devices[\(index)]"
      let parts = device.path.split(separator: "/", omittingEmptySubsequences: false)
      guard device.path.hasPrefix("/dev/"), !parts.contains(".."), !device.path.hasSuffix("/")
      else {
        throw Failure.field(
          field + ".path", "\"\(device.path)\" is no path below /dev", code: .unsupported)
      }
      guard !seen.contains(device.path.tidyPath) else {
        throw Failure.field(field + ".path", "\(device.path) is given twice")
      }
      seen.append(device.path.tidyPath)
      if device.type != "p", device.major == nil || device.minor == nil {
        throw Failure.field(field, "major or minor is missing")
      }
    }
  }

  private func checkSysctls() throws(Failure) {
    for (name, _) in (linux.sysctl ?? [:]).sorted(by: { $0.key < $1.key }) {
      let field = "linux.sysctl[\(name)]"
      let dotted = String(name.map { $0 == "/" ? "." : $0 })
      if dotted == "kernel.hostname" || dotted == "kernel.domainname" {
        guard namespace("uts") != nil else {
          throw Failure.field(field, "the container has no UTS namespace of its own")
        }
        continue
      }
      do throws(Failure) {
        try Sysctls.validate(
          dotted, ownIPC: namespace("ipc") != nil, ownNetwork: namespace("network") != nil)
      } catch {
        throw Failure.field(field, error.reason, code: error.code)
      }
    }
  }

  private func checkPaths() throws(Failure) {
    for (name, paths) in [
      ("maskedPaths", linux.maskedPaths ?? []), ("readonlyPaths", linux.readonlyPaths ?? []),
    ] {
      for (index, path) in paths.enumerated() where !path.hasPrefix("/") && !path.isEmpty {
        throw Failure.field("linux.\(name)[\(index)]", "\"\(path)\" is not an absolute path")
      }
    }
  }

  // The kernel's rules for a link's name (dev_valid_name), whose "%d" stands for the first free number.
  private func checkLinks() throws(Failure) {
    let devices = (linux.netDevices ?? [:]).sorted { $0.key < $1.key }
    guard !devices.isEmpty else { return }
    guard namespace("network") != nil else {
      throw Failure.field(
        "linux.netDevices", "the container has no network namespace of its own")
    }
    func isName(_ name: String) -> Bool {
      (1...15).contains(name.utf8.count) && name != "." && name != ".."
        && name.utf8.allSatisfy { $0 > 0x20 && $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: ":") }
    }
    var seen: [String] = []
    for (name, device) in devices {
      guard isName(name) else {
        throw Failure.field("linux.netDevices", "\"\(name)\" is no name of a link")
      }
      let inside = device.name ?? name
      guard isName(inside) else {
        throw Failure.field("linux.netDevices.\(name).name", "\"\(inside)\" is no name of a link")
      }
      guard !seen.contains(inside) || inside.contains("%d") else {
        throw Failure.field("linux.netDevices.\(name).name", "\(inside) is given twice")
      }
      seen.append(inside)
    }
  }

  private func checkUnsupported() throws(Failure) {
    if linux.asksForIntelRdt == true {
      throw Failure.field(
        "linux.intelRdt", "minidock does not control cache and bandwidth", code: .unsupported)
    }
    if linux.asksForMemoryPolicy == true {
      throw Failure.field(
        "linux.memoryPolicy", "minidock does not set memory policies", code: .unsupported,
        remedy: "linux.resources.cpu.mems chooses the nodes")
    }
    if let label = linux.mountLabel, !label.isEmpty, !Files.exists("/sys/fs/selinux/enforce") {
      throw Failure.field(
        "linux.mountLabel", "SELinux is not enabled on this host", code: .unsupported)
    }
    if let personality = linux.personality {
      guard ["LINUX", "LINUX32"].contains(personality.domain) else {
        throw Failure.field(
          "linux.personality.domain", "\"\(personality.domain)\" is no execution domain")
      }
      guard (personality.flags ?? []).isEmpty else {
        throw Failure.field("linux.personality.flags", "there are none", code: .unsupported)
      }
    }
  }
}
