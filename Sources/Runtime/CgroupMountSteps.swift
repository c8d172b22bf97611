import Linux

extension Cgroup {
  /// What the container sees of its cgroups at `target`: the v2 tree, or on a v1 or hybrid host a tmpfs
  /// with each tree that the container has a group in. Inside a cgroup namespace each shows the
  /// container's own group as its root.
  ///
  /// Read-only unless the container is privileged: a writable v1 tree is a way out (CVE-2022-0492,
  /// security row 10).
  public func mountSteps(target: String, readOnly: Bool) -> [MountStep] {
    var attributes: MountAttributes = [.noSetuid, .noDevices, .noExecute]
    if readOnly { attributes.insert(.readOnly) }
    if hierarchy.mode == .v2 {
      return [
        .fileSystem(
          type: "cgroup2", source: "cgroup", target: target, options: [], attributes: attributes)
      ]
    }
    var steps: [MountStep] = [
      .fileSystem(
        type: "tmpfs", source: "cgroup", target: target, options: ["mode=755", "size=64k"],
        attributes: [.noSetuid, .noDevices, .noExecute])
    ]
    for tree in v1Trees {
      steps.append(
        .fileSystem(
          type: "cgroup", source: "cgroup", target: "\(target)/\(Files.name(of: tree.mountPoint))",
          options: tree.controllers, attributes: attributes))
    }
    if readOnly { steps.append(.seal(path: target)) }
    return steps
  }

  /// As ``mountSteps(target:readOnly:)`` for a container without a cgroup namespace: the group's own
  /// directories bound, so that nothing above them shows.
  public func bindSteps(target: String, readOnly: Bool) -> [MountStep] {
    var options = BindOptions()
    options.set = [.noSetuid, .noDevices, .noExecute]
    if readOnly { options.set.insert(.readOnly) }
    if hierarchy.mode == .v2 {
      guard let unified else { return [] }
      return [.bind(source: unified.path, target: target, options: options)]
    }
    var steps: [MountStep] = [
      .fileSystem(
        type: "tmpfs", source: "cgroup", target: target, options: ["mode=755", "size=64k"],
        attributes: [.noSetuid, .noDevices, .noExecute])
    ]
    for tree in v1Trees {
      steps.append(
        .bind(
          source: tree.mountPoint + path, target: "\(target)/\(Files.name(of: tree.mountPoint))",
          options: options))
    }
    if readOnly { steps.append(.seal(path: target)) }
    return steps
  }

  /// The v1 trees in which this group has a directory, with their controllers' names.
  private var v1Trees: [(mountPoint: String, controllers: [String])] {
    var result: [(mountPoint: String, controllers: [String])] = []
    for mountPoint in hierarchy.trees {
      guard groups.contains(where: { $0.path == mountPoint + path }) else { continue }
      let names = (0..<CgroupController.count).compactMap(CgroupController.init(rawValue:))
        .filter { hierarchy.mount($0) == mountPoint }.map(\.name)
      result.append((mountPoint, names))
    }
    return result
  }
}
