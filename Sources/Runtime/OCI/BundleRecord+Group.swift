import Linux

extension BundleRecord {
  /// Notes which group the container is to have.
  ///
  /// - Parameters:
  ///   - path: `linux.cgroupsPath`; "" for a place of minidock's own.
  ///   - unit: what systemd is asked for; nil for the cgroupfs driver.
  ///   - hasGroups: whether the host has any.
  mutating func choose(group path: String, _ unit: SystemdUnit?, hasGroups: Bool) {
    if let unit {
      // Where it will be, unless systemd says another place.
      cgroup = unit.cgroup
      self.unit = unit.name
    } else if hasGroups {
      cgroup = path.isEmpty ? "/minidock-oci/" + id : path
    }
  }

  /// Has systemd make the scope around a process that is there already.
  ///
  /// - Throws: why it cannot be had. When it is somebody else's, the record has none afterwards, so that this
  ///   container's failure does not touch it.
  mutating func enter(
    _ unit: SystemdUnit, _ pid: Int32, _ resources: Resources, in hierarchy: CgroupHierarchy?
  ) throws(Failure) -> Cgroup {
    guard let hierarchy else {
      throw Failure(
        .unsupported, "use", "--systemd-cgroup", reason: "no cgroup file system is mounted",
        remedy: "mount -t cgroup2 cgroup2 /sys/fs/cgroup")
    }
    do throws(Failure) {
      let group = try SystemdScope.start(
        unit, id: id, pid: pid, resources: resources, annotations: annotations, in: hierarchy)
      cgroup = group.path
      return group
    } catch  where error.code == .exists {
      cgroup = ""
      self.unit = ""
      throw error.during("use", "linux.cgroupsPath", remedy: "choose another name for the scope")
    }
  }

  /// Removes the group after a failure, once the container's processes have been killed: systemd has
  /// nothing to wait for then.
  func removeGroup(in hierarchy: CgroupHierarchy?) {
    if !unit.isEmpty { try? SystemdScope.stop(unit) }
    guard let hierarchy, !cgroup.isEmpty else { return }
    let group = Cgroup(existing: cgroup, in: hierarchy)
    // Another container's group, which this one's failure to take it must not touch.
    if process != nil || group.processes().isEmpty { try? group.remove() }
  }
}

extension SystemdUnit {
  /// The unit that a bundle's `cgroupsPath` asks of the systemd that makes this process's groups.
  static func wanted(by spec: Spec, id: String) throws(Failure) -> SystemdUnit {
    try SystemdUnit(
      path: spec.linux?.cgroupsPath ?? "", id: id, isUser: try SystemdAddress.here().isUser)
  }
}
