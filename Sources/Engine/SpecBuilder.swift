import Image
import Linux
import Runtime

/// Composes what the user asked for and what the image says into an OCI specification.
struct SpecBuilder {
  let options: RunOptions
  let record: ContainerRecord
  /// The container's directory on the host: the OCI bundle.
  let bundle: String
  let ownNetwork: Bool
  /// The directory of the installation's volumes.
  var volumes = ""

  func build() throws(Failure) -> Spec {
    var spec = Spec()
    spec.root = Spec.Root(path: "rootfs", readonly: options.readOnly)
    spec.hostname = record.hostname
    spec.domainname = options.domainname
    spec.mounts = try mounts()
    spec.process = try process()
    spec.linux = try linux()
    return spec
  }

  // MARK: - Process

  private func process() throws(Failure) -> Spec.Process {
    var process = Spec.Process()
    process.terminal = options.terminal
    if options.terminal, let size = Terminal.size(of: 0) {
      process.consoleSize = Spec.ConsoleSize(height: size.rows, width: size.columns)
    }
    process.cwd = record.workingDirectory
    process.env = record.environment
    process.args = record.command
    process.rlimits = options.limits
    process.noNewPrivileges = options.security.noNewPrivileges
    process.oomScoreAdj = options.oomScoreAdjust
    let names = CapabilitySets.names(of: try capabilityMask())
    var sets = Spec.Capabilities()
    sets.bounding = names
    sets.effective = names
    sets.permitted = names
    process.capabilities = sets
    return process
  }

  func capabilityMask() throws(Failure) -> UInt64 {
    try CapabilitySets.mask(
      adding: options.capabilitiesAdded, dropping: options.capabilitiesDropped,
      privileged: options.privileged)
  }

  // MARK: - Mounts

  private func mounts() throws(Failure) -> [Spec.Mount] {
    var mounts = Spec.defaultMounts(shmSize: options.shmSize, privileged: options.privileged)
    for name in ["resolv.conf", "hostname", "hosts"] {
      mounts.append(
        Spec.Mount(
          destination: "/etc/\(name)", type: "bind", source: "\(bundle)/\(name)",
          options: ["bind", "rprivate", options.readOnly ? "ro" : "rw"]))
    }
    // A mount of the user's replaces the default one at the same place.
    var requested: [Spec.Mount] = []
    for request in options.mounts {
      let mount = try mountEntry(request)
      guard !requested.contains(where: { $0.destination == mount.destination }) else {
        throw Failure(
          .invalid, "mount", mount.destination, reason: "two mounts have this target")
      }
      requested.append(mount)
    }
    let targets = requested.map(\.destination)
    mounts.removeAll { targets.contains($0.destination) }
    // Parents before children, in the order given among siblings.
    let depth = { (mount: Spec.Mount) in mount.destination.split(separator: "/").count }
    let sorted = requested.enumerated().sorted {
      (depth($0.element), $0.offset) < (depth($1.element), $1.offset)
    }
    return mounts + sorted.map(\.element)
  }

  private func mountEntry(_ request: MountRequest) throws(Failure) -> Spec.Mount {
    switch request.kind {
    case .tmpfs:
      return Spec.Mount(
        destination: request.target, type: "tmpfs", source: "tmpfs",
        options: request.options + (request.readOnly ? ["ro"] : []))
    case .volume:
      return Spec.Mount(
        destination: request.target, type: "bind", source: "\(volumes)/\(request.source)/_data",
        options: ["rbind", "rprivate", request.readOnly ? "rro" : "rw"])
    case .bind:
      try prepareSource(request)
      var options = [request.nonRecursive ? "bind" : "rbind"]
      options.append(request.propagation.isEmpty ? "rprivate" : request.propagation)
      options.append(request.readOnly ? "rro" : "rw")
      return Spec.Mount(
        destination: request.target, type: "bind", source: request.source, options: options)
    }
  }

  private func prepareSource(_ request: MountRequest) throws(Failure) {
    if Files.exists(request.source) { return }
    guard request.createsSource else {
      throw Failure(
        errno: ErrorNumber.noEntry, "bind", request.source,
        remedy: "create it first; -v creates a missing directory, --mount does not")
    }
    try Files.makeDirectories(request.source, mode: 0o755)
  }

  // MARK: - Linux

  private func linux() throws(Failure) -> Spec.Linux {
    var linux = Spec.Linux()
    linux.namespaces = SpecBuilder.namespaces(ownNetwork: ownNetwork)
    linux.cgroupsPath = record.cgroupPath
    linux.resources = options.resources
    if !options.privileged {
      linux.maskedPaths = Spec.defaultMaskedPaths
      linux.readonlyPaths = Spec.defaultReadonlyPaths
    }
    linux.devices = try hostDevices().devices
    linux.resources?.devices = try deviceRules()
    for (name, _) in options.sysctls {
      try Sysctls.validate(name, ownIPC: true, ownNetwork: ownNetwork)
    }
    if !options.sysctls.isEmpty { linux.sysctl = options.sysctls }
    return linux
  }

  /// Which devices the container may use.
  func deviceRules() throws(Failure) -> [DeviceRule] {
    if options.privileged { return DeviceRule.allowAll }
    return DeviceRule.containerDefaults + (try hostDevices().rules)
  }

  /// The namespaces of every container.
  static func namespaces(ownNetwork: Bool) -> [Spec.Namespace] {
    let kinds = ["mount", "pid", "uts", "ipc", "cgroup"] + (ownNetwork ? ["network"] : [])
    return kinds.map { Spec.Namespace(type: $0) }
  }

  private func hostDevices() throws(Failure) -> (
    devices: [Spec.Device], rules: [DeviceRule]
  ) {
    var devices: [Spec.Device] = []
    var rules: [DeviceRule] = []
    var requests = options.devices
    if options.privileged {
      let targets = Set(requests.map(\.target))
      requests += try HostDevices.all().filter { !targets.contains($0.target) }
    }
    for request in requests {
      let info = try FileStatus(request.source)
      guard info.kind == .characterDevice || info.kind == .blockDevice else {
        throw Failure(.invalid, "use device", request.source, reason: "it is not a device")
      }
      let type = info.kind == .blockDevice ? "b" : "c"
      let major = Int64(info.major)
      let minor = Int64(info.minor)
      devices.append(
        Spec.Device(
          type: type, path: request.target, major: major, minor: minor,
          fileMode: info.permissions, uid: info.owner, gid: info.group))
      rules.append(
        DeviceRule(allow: true, type: type, major: major, minor: minor, access: request.access))
    }
    return (devices, rules)
  }
}

/// The host's device nodes, which a privileged container gets all of.
enum HostDevices {
  /// Every device below /dev but terminals' and those of file systems mounted there.
  static func all() throws(Failure) -> [DeviceRequest] {
    var result: [DeviceRequest] = []
    try collect("/dev", into: &result)
    return result
  }

  private static func collect(
    _ folder: String, into result: inout [DeviceRequest]
  ) throws(Failure) {
    for name in try Files.list(folder) {
      let path = folder + "/" + name
      guard let info = try? FileStatus(path, followingLinks: false) else { continue }
      switch info.kind {
      case .directory where !["pts", "shm", "fd", "mqueue", ".lxc", "hugepages"].contains(name):
        try collect(path, into: &result)
      case .characterDevice, .blockDevice:
        let standard = ["console", "ptmx", "null", "zero", "full", "random", "urandom", "tty"]
        if folder != "/dev" || !standard.contains(name) { result.append(try DeviceRequest(path)) }
      default: continue
      }
    }
  }
}
