import Linux
import Runtime

/// `minidock update`: limits and restart policy of a container, at once when it runs.
public struct ContainerUpdate {
  let installation: Installation
  /// The limits that change, parsed; nil leaves all as they are.
  public var flags = ResourceFlags()
  /// `--restart`; nil leaves it.
  public var restart: RestartPolicy?

  /// Updates in an installation.
  public init(_ installation: Installation) { self.installation = installation }

  /// Changes a container.
  ///
  /// - Throws: ``Failure/Code/invalid`` for limits that contradict each other; what the kernel refuses,
  ///   after which nothing has changed on disk.
  public func update(_ text: String) throws(Failure) {
    let store = ContainerStore(installation)
    let found = try store.find(text)
    let lock = try store.lock(found.id)
    defer { _ = lock }
    guard var record = try store.read(found.id) else {
      throw Failure(.notFound, "update container", text, reason: "it has just been removed")
    }
    var options = store.options(of: record)
    if let restart {
      guard !(options.autoRemove && restart.kind != .no) else {
        throw Failure(
          .invalid, "update container", text, reason: "--restart and --rm exclude each other")
      }
      options.restart = restart
    }
    let hierarchy = try CgroupHierarchy.detect()
    let change = try flags.change(
      of: options.resources, swapIsLimitable: hierarchy.accountsSwap)
    if change != Resources(), store.state(of: record).status.isActive {
      try Cgroup(existing: record.cgroupPath, in: hierarchy).apply(change)
    }
    options.resources.take(change)
    record.take(options.resources)
    try store.write(options, of: record.id)
    try store.write(record)
    EventLog(installation).append([Event(container: record, "update")])
  }
}

extension Resources {
  /// Replaces the limits that a change has.
  mutating func take(_ change: Resources) {
    if let memory = change.memory {
      var own = self.memory ?? Memory()
      own.limit = memory.limit ?? own.limit
      own.swap = memory.swap ?? own.swap
      own.reservation = memory.reservation ?? own.reservation
      self.memory = own
    }
    if let cpu = change.cpu {
      var own = self.cpu ?? CPU()
      own.shares = cpu.shares ?? own.shares
      own.quota = cpu.quota ?? own.quota
      own.period = cpu.period ?? own.period
      own.cpus = cpu.cpus ?? own.cpus
      own.mems = cpu.mems ?? own.mems
      self.cpu = own
    }
    pids = change.pids ?? pids
    blockIO = change.blockIO ?? blockIO
  }
}

extension ResourceFlags {
  /// The limits that change, checked together with those that stay.
  func change(of current: Resources, swapIsLimitable: Bool) throws(Failure) -> Resources {
    var flags = self
    // A swap limit means memory and swap together, so that it is checked against the memory in force.
    if memory == nil, memorySwap != nil || memoryReservation != nil,
      let limit = current.memory?.limit
    {
      flags.memory = String(limit)
    }
    var change = try flags.resources(swapIsLimitable: false)
    if let limit = change.memory?.limit, memorySwap == nil, let swap = current.memory?.swap {
      // Memory and swap together must not be less than memory; docker wants both flags then.
      if swap != -1 && swap < limit {
        guard memory != nil else { return change }
        throw Failure(
          .invalid, "update", "--memory=\(memory ?? "")",
          reason: "it is above the limit of memory and swap together, which is \(swap)",
          remedy: "give --memory-swap as well")
      }
    }
    if memory == nil { change.memory?.limit = nil }
    if change.memory == Resources.Memory() { change.memory = nil }
    return change
  }
}
