import Linux

/// Clones of mounts that only the runtime can make, as it has the host's rights: of the root and of binds whose
/// paths a user namespace may not reach, and of binds whose ids are mapped.
struct MountClones: ~Copyable {
  private(set) var numbers: [Int32] = []

  init() {}

  deinit { for number in numbers { ThisProcess.close(number) } }

  /// Makes the clones for a bundle and notes their places in the plan's steps; the root's comes first.
  mutating func make(
    for bundle: Bundle, hasUserNamespace: Bool, _ plan: inout BundlePlan
  ) throws(Failure) {
    // Without root the process makes them itself, in its user namespace.
    let isAllowed = ThisProcess.isRoot
    if hasUserNamespace && isAllowed {
      let root = try DetachedMount.clone(path: bundle.rootfs, recursive: true)
      try root.set([], propagation: .slave, recursive: true, object: "root.path")
      numbers.append(try root.descriptor.duplicate().release())
    }
    let offset = numbers.count
    for index in plan.start.steps.indices {
      guard case .bind(let source, let target, var options) = plan.start.steps[index] else {
        continue
      }
      let mapping = try mapping(for: target, bundle.spec)
      guard isAllowed && hasUserNamespace || mapping != nil else { continue }
      let clone = try DetachedMount.clone(path: source, recursive: options.recursive)
      if let mapping {
        let namespace = try UserNamespaceHolder.open(mapping.uids, mapping.gids)
        try clone.map(by: namespace, recursive: mapping.isRecursive, object: mapping.field)
      }
      // Made on the host it is the host's peer, and so are the mounts below that no option is for: what the
      // container mounts must not come back.
      if options.propagation == nil || !options.isPropagationRecursive {
        try clone.set([], propagation: .slave, recursive: true, object: target)
      }
      options.clone = Int32(numbers.count - offset)
      numbers.append(try clone.descriptor.duplicate().release())
      plan.start.steps[index] = .bind(source: source, target: target, options: options)
    }
    plan.cloneCount = UInt32(numbers.count)
    plan.rootIsCloned = offset > 0
  }

  private struct Mapping {
    var uids: [Spec.IDMapping]
    var gids: [Spec.IDMapping]
    var isRecursive: Bool
    var field: String
  }

  private func mapping(for target: String, _ spec: Spec) throws(Failure) -> Mapping? {
    let mounts = spec.mounts ?? []
    guard let index = mounts.firstIndex(where: { $0.destination == target }) else { return nil }
    let mount = mounts[index]
    let idmap = MountOptions(mount.options ?? []).idmap
    let uids = mount.uidMappings ?? []
    guard idmap != nil || !uids.isEmpty else { return nil }
    guard ThisProcess.isRoot else {
      throw Failure.field(
        "mounts[\(index)]", "mapping ids needs root", code: .unsupported)
    }
    return Mapping(
      uids: uids.isEmpty ? spec.linux?.uidMappings ?? [] : uids,
      gids: uids.isEmpty ? spec.linux?.gidMappings ?? [] : mount.gidMappings ?? [],
      isRecursive: idmap ?? false, field: "mounts[\(index)]")
  }
}

/// A user namespace that exists for its mappings alone.
enum UserNamespaceHolder {
  /// Makes one and opens it; nobody lives in it.
  static func open(
    _ uids: [Spec.IDMapping], _ gids: [Spec.IDMapping]
  ) throws(Failure) -> Descriptor {
    let pair = try MessageSocket.pair()
    let near = pair.near
    let far = pair.far
    let number = far.descriptor.raw
    let nearNumber = near.descriptor.raw
    let child = try Processes.fork {
      // Or it would be its own other end and never see the runtime's.
      ThisProcess.close(nearNumber)
      let socket = MessageSocket(Descriptor(owning: number))
      do throws(Failure) {
        try Namespaces.user.unshare()
        try socket.send(BundleMessage.unmapped.bytes)
        _ = try socket.receive()
        return 0
      } catch {
        try? socket.send(BundleMessage.failed(error).bytes)
        return 1
      }
    }
    _ = consume far
    defer {
      Processes.signal(child.handle, Signal.kill)
      _ = try? Processes.wait(pidfd: child.handle)
    }
    guard let message = try near.receive() else {
      throw Failure(.system, "create user namespace", reason: "its process ended")
    }
    if case .failed(let failure) = try BundleMessage(message.bytes) { throw failure }
    try IDMaps.write(uids, gids, of: child.pid)
    return try Descriptor.open("/proc/\(child.pid)/ns/user", .read)
  }
}
