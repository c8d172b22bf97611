import Linux

extension InitPlan {
  /// The plan for a specification.
  ///
  /// - Parameters:
  ///   - root: where the root file system comes from.
  ///   - seccomp: the compiled filter, nil for none.
  ///   - cgroupMounts: what a mount of type "cgroup" becomes on this host.
  /// - Throws: ``Failure/Code/invalid`` or ``Failure/Code/unsupported`` naming the field that cannot be
  ///   carried out.
  public init(
    spec: Spec, root: RootSource, seccomp: [UInt8]?,
    cgroupMounts: (_ target: String, _ readOnly: Bool) -> [MountStep]
  ) throws(Failure) {
    self.init()
    self.root = root
    rootReadOnly = spec.root?.readonly ?? false
    hostname = spec.hostname ?? ""
    domainname = spec.domainname ?? ""
    namespaces = try InitPlan.namespaces(spec.linux?.namespaces ?? [])
    rootPropagation = try InitPlan.propagation(spec.linux?.rootfsPropagation)
    steps = try MountPlan.steps(for: spec, cgroupMounts: cgroupMounts)
    sysctls = (spec.linux?.sysctl ?? [:]).sorted { $0.key < $1.key }.map {
      Sysctl(name: $0.key, value: $0.value)
    }
    process = try ProcessPlan(spec.process ?? Spec.Process())
    process.seccomp = seccomp
  }

  /// The namespaces that a specification asks for, but for the pid namespace, which comes with the clone.
  ///
  /// - Throws: ``Failure/Code/unsupported`` for one that cannot be made.
  public static func namespaces(_ list: [Spec.Namespace]) throws(Failure) -> Namespaces {
    var result: Namespaces = []
    for namespace in list {
      guard namespace.path == nil else {
        throw Failure(
          .unsupported, "join namespace", namespace.path ?? "",
          reason: "linux.namespaces with a path is not supported yet")
      }
      switch namespace.type {
      case "mount": result.insert(.mount)
      case "uts": result.insert(.uts)
      case "ipc": result.insert(.ipc)
      case "network": result.insert(.network)
      case "cgroup": result.insert(.cgroup)
      // The pid namespace comes with the clone: its first process must be born in it.
      case "pid": break
      default:
        throw Failure(
          .unsupported, "create namespace", namespace.type,
          reason: "linux.namespaces has a type that is not supported")
      }
    }
    guard result.contains(.mount) else {
      throw Failure(
        .unsupported, "create container", reason: "linux.namespaces has no mount namespace")
    }
    return result
  }

  static func propagation(_ text: String?) throws(Failure) -> Propagation {
    switch text {
    case nil, "", "rslave", "slave": .slave
    case "rprivate", "private": .isPrivate
    case "rshared", "shared": .shared
    case "runbindable", "unbindable": .unbindable
    case let other?:
      throw Failure(
        .invalid, "set propagation", other, reason: "linux.rootfsPropagation is unknown")
    }
  }
}

extension ProcessPlan {
  /// The plan for a specification's process.
  ///
  /// - Throws: ``Failure/Code/invalid`` for an unknown capability or resource limit.
  public init(_ process: Spec.Process) throws(Failure) {
    self.init()
    arguments = process.args ?? []
    environment = process.env ?? []
    workingDirectory = process.cwd.isEmpty ? "/" : process.cwd
    uid = process.user.uid
    gid = process.user.gid
    groups = process.user.additionalGids ?? []
    umask = process.user.umask ?? 0o022
    capabilities = try CapabilityMasks(process.capabilities ?? Spec.Capabilities())
    noNewPrivileges = process.noNewPrivileges ?? false
    for limit in process.rlimits ?? [] {
      guard let number = ResourceLimit.number(limit.type) else {
        throw Failure(.invalid, "set limit", limit.type, reason: "unknown resource limit")
      }
      guard limit.soft <= limit.hard else {
        throw Failure(
          .invalid, "set limit", limit.type,
          reason: "the soft limit \(limit.soft) is above the hard limit \(limit.hard)")
      }
      rlimits.append(ResourceLimit(resource: number, soft: limit.soft, hard: limit.hard))
    }
    oomScoreAdjust = process.oomScoreAdj.map { Int32(clamping: $0) }
    hasTerminal = process.terminal ?? false
    terminalSize = process.consoleSize.map {
      TerminalSize(rows: $0.height, columns: $0.width)
    }
  }
}

extension CapabilityMasks {
  /// The masks of a specification's names.
  ///
  /// - Throws: ``Failure/Code/invalid`` for an unknown name: none is dropped silently.
  public init(_ sets: Spec.Capabilities) throws(Failure) {
    self.init()
    bounding = try CapabilitySets.mask(of: sets.bounding ?? [])
    effective = try CapabilitySets.mask(of: sets.effective ?? [])
    permitted = try CapabilitySets.mask(of: sets.permitted ?? [])
    inheritable = try CapabilitySets.mask(of: sets.inheritable ?? [])
    ambient = try CapabilitySets.mask(of: sets.ambient ?? [])
  }
}
