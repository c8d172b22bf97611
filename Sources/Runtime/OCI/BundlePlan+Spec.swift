import Linux

extension BundlePlan {
  /// The plan for a bundle.
  ///
  /// - Parameters:
  ///   - cgroup: the container's group; nil for none.
  ///   - seccomp: the compiled filter; nil for none.
  init(_ bundle: Bundle, cgroup: Cgroup?, seccomp: [UInt8]?) throws(Failure) {
    let spec = bundle.spec
    let linux = spec.linux ?? Spec.Linux()
    start.root = .directory(path: bundle.rootfs)
    start.rootReadOnly = spec.root?.readonly ?? false
    start.hostname = spec.hostname ?? ""
    start.domainname = spec.domainname ?? ""
    start.rootPropagation = try InitPlan.propagation(linux.rootfsPropagation)
    let ownsCgroup = (linux.namespaces ?? []).contains { $0.type == "cgroup" }
    start.steps = try MountPlan.steps(for: spec.replacingStandardDevices(in: bundle)) {
      target, readOnly in
      guard let cgroup else { return [] }
      return ownsCgroup
        ? cgroup.mountSteps(target: target, readOnly: readOnly)
        : cgroup.bindSteps(target: target, readOnly: readOnly)
    }
    start.sysctls = (linux.sysctl ?? [:]).sorted { $0.key < $1.key }.map {
      InitPlan.Sysctl(name: String($0.key.map { $0 == "/" ? "." : $0 }), value: $0.value)
    }
    start.process = try ProcessPlan(bundle: spec.process ?? Spec.Process(), linux: linux, seccomp)
    // Of the container's first process the specification takes no processors.
    start.process.extras.affinity = []
    createContainer = spec.hooks?.createContainer ?? []
    startContainer = spec.hooks?.startContainer ?? []
  }
}

extension ProcessPlan {
  /// The plan for a process of a bundle's, its first or a later one.
  init(bundle process: Spec.Process, linux: Spec.Linux, _ filter: [UInt8]?) throws(Failure) {
    try self.init(process)
    extras = try ProcessExtras(process, "process")
    outlivesParent = true
    // The parent writes it, with the host's rights.
    oomScoreAdjust = nil
    seccomp = filter
    if let profile = linux.seccomp, filter != nil {
      var flags: Seccomp.Flags
      do { flags = try profile.loadFlags() } catch {
        throw Failure.field(
          "linux.seccomp.flags", "\(error.object): \(error.reason)", code: error.code)
      }
      if profile.notifies { flags.insert(.newListener) }
      extras.seccompFlags = flags.rawValue
    }
    if let personality = linux.personality {
      extras.personality = personality.domain == "LINUX32" ? 8 : 0
    }
  }
}

extension Spec {
  /// The same without devices that every container has anyway, and with absolute sources of binds.
  fileprivate func replacingStandardDevices(in bundle: Bundle) -> Spec {
    var spec = self
    spec.linux?.devices = (linux?.devices ?? []).filter { device in
      !MountPlan.standardDevices.contains { step in
        if case .device(
          device.path, _, UInt32(device.major ?? -1), UInt32(device.minor ?? -1), _, _, _) =
          step
        {
          return true
        }
        return false
      }
    }
    for index in (spec.mounts ?? []).indices {
      guard let mount = spec.mounts?[index], let source = mount.source else { continue }
      let isBind = mount.type == "bind" || MountOptions(mount.options ?? []).isBind
      if isBind, !source.hasPrefix("/") {
        spec.mounts?[index].source = bundle.path + "/" + source
      }
    }
    return spec
  }
}

extension NamespacePlan {
  /// The namespaces that a specification asks for; the caller closes the opened ones with ``close()``.
  ///
  /// - Throws: the field of one that cannot be opened or is of another kind.
  init(_ linux: Spec.Linux) throws(Failure) {
    for (index, entry) in (linux.namespaces ?? []).enumerated() {
      guard let kind = LinuxCheck.kind(entry.type) else { continue }
      guard let path = entry.path else {
        made.insert(kind)
        continue
      }
      let field = "linux.namespaces[\(index)].path"
      let descriptor: Descriptor
      do throws(Failure) { descriptor = try Descriptor.open(path, .read) } catch {
        close()
        throw Failure.field(field, "\(path): \(errorText(error.errno))", code: .notFound)
      }
      guard descriptor.namespaceKind == kind else {
        close()
        throw Failure.field(field, "\(path) is no \(entry.type) namespace")
      }
      joined.append((kind, descriptor.release(), field))
    }
    uidMappings = linux.uidMappings ?? []
    gidMappings = linux.gidMappings ?? []
    if made.contains(.time) {
      for (clock, offset) in (linux.timeOffsets ?? [:]).sorted(by: { $0.key < $1.key }) {
        timeOffsets += "\(clock) \(offset.secs) \(offset.nanosecs)\n"
      }
    }
  }

  /// Closes what was opened.
  func close() {
    for entry in joined { ThisProcess.close(entry.descriptor) }
  }

  /// What the process makes itself once it is born.
  var madeLate: Namespaces { made.subtracting([.pid, .user, .time]) }
}
