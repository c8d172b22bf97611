import Image
import Linux
import Net
import Runtime

/// Finds what killed minidock processes left behind and undoes it.
///
/// Every list and every removal begins with it, and a `run` leaves it to its own background process. It
/// touches nothing of a container that runs or is about to.
public struct Housekeeping {
  let installation: Installation
  let store: ContainerStore

  /// The housekeeping of an installation.
  public init(_ installation: Installation) {
    self.installation = installation
    store = ContainerStore(installation)
  }

  /// What a sweep has found.
  public struct Findings: Sendable {
    /// What the user should know: containers that ended without anybody seeing it.
    public var notices: [String] = []
    /// Who runs the containers whose processes have just been seen: lists need not look again.
    var running: [String: RunFile] = [:]
    /// Those of them that somebody has paused, and may have let go on since.
    var paused: Set<String> = []
    /// The directories of containers that there were; nil when nobody looked.
    var containers: [String]?

    /// Nothing.
    public init() {}
  }

  /// Sweeps everything once; when another process is at it, that one's work is enough.
  @discardableResult
  public func sweep() throws(Failure) -> Findings {
    guard let lock = try FileLock.tryAcquire(installation.runRoot + "/sweep.lock") else {
      return Findings()
    }
    defer { _ = lock }
    var findings = try sweepContainers()
    try sweepRunFiles(&findings)
    sweepNames(findings)
    sweepCgroups(findings)
    sweepLeases(findings)
    restoreRules(&findings)
    VolumeStore(installation).sweep()
    ContainerCleanup.emptyTrash(installation)
    try? installation.imageStore().sweep()
    return findings
  }

  // A directory without a record is one being made, or half made by a process that was killed.
  private func sweepContainers() throws(Failure) -> Findings {
    var findings = Findings()
    let cleanup = ContainerCleanup(installation)
    let containers = try Files.list(installation.containers)
    findings.containers = containers
    let boot = Processes.bootIdentity()
    for id in containers {
      if let run = store.runFile(of: id), run.isRunning(boot: boot) {
        findings.running[id] = run
        continue
      }
      let path = store.directory(id)
      guard let record = try? store.read(id) else {
        if !Files.exists(path + "/record"), !store.mayBeAlive(id) { try Files.removeTree(path) }
        continue
      }
      if store.mayBeAlive(id) { continue }
      let run = store.runFile(of: id)
      if record.autoRemove {
        // A container that was created, but not started yet, is nobody's leftover.
        if run == nil, record.creator == nil, !Files.exists(path + "/status") { continue }
        removeCgroup(record.cgroupPath)
        cleanup.discard(record)
      } else if run != nil, let notice = cleanup.settle(record) {
        findings.notices.append(notice)
      }
    }
    return findings
  }

  private func sweepRunFiles(_ findings: inout Findings) throws(Failure) {
    for entry in try Files.list(installation.runs) {
      let id = String(Substring(entry.utf8.prefix { $0 != UInt8(ascii: ".") }))
      if findings.running[id] != nil && !entry.hasSuffix(".tmp") {
        if entry.hasSuffix(".paused") { findings.paused.insert(id) }
        continue
      }
      let path = installation.runs + "/" + entry
      if entry.hasSuffix(".tmp") {
        // "<id>.<pid>.tmp": the part of a file that a killed process was replacing.
        let pid = entry.split(separator: ".").dropLast().last.flatMap { Int32($0) }
        if pid.flatMap({ ProcessIdentity(of: $0) }) == nil { try Files.remove(path) }
      } else if [".sock", ".paused", ".start"].contains(where: entry.hasSuffix) {
        // Whoever starts a container again holds its lock.
        let lock = (try? FileLock.tryAcquire(store.lockPath(id))) ?? nil
        if lock == nil && Files.exists(store.directory(id)) { continue }
        if !entry.hasSuffix(".start"), store.runFile(of: id) != nil { continue }
        if !store.mayBeAlive(id) { try Files.remove(path) }
      } else if !Files.exists(store.directory(id)), !store.mayBeAlive(id) {
        if let group = store.runFile(of: id)?.cgroupPath { removeCgroup(group) }
        ContainerNetworks(installation).release(owner: id)
        try Files.remove(store.runFilePath(id))
      }
    }
  }

  private func sweepNames(_ findings: Findings) {
    // An image's name has a ":", a container's none, and every container has one name.
    let names = ((try? Files.list(installation.names)) ?? []).filter {
      !$0.utf8.contains(UInt8(ascii: ":"))
    }
    // One that leads nowhere and is overlooked so for a while is free all the same.
    guard names.count > findings.containers?.count ?? 0 else { return }
    for name in names {
      guard let owner = store.nameOwner(name), findings.running[owner] == nil,
        !Files.exists(store.directory(owner))
      else { continue }
      guard let lock = try? FileLock.acquire(installation.runRoot + "/names.lock") else { return }
      defer { _ = lock }
      if store.nameOwner(name) == owner { try? Files.remove(installation.names + "/" + name) }
    }
  }

  // Groups of this installation's parent that belong to no container: a process killed between making
  // the group and writing the record left them.
  private func sweepCgroups(_ findings: Findings) {
    guard let hierarchy = try? CgroupHierarchy.detect() else { return }
    let parent = installation.cgroupParent()
    let known = findings.running.values.count { $0.cgroupPath.hasPrefix(parent + "/") }
    for id in Cgroup.children(of: parent, in: hierarchy, known: known) where id.utf8.count == 64 {
      if findings.running[id] != nil { continue }
      if Files.exists(store.directory(id)) || store.mayBeAlive(id) { continue }
      let group = Cgroup(existing: parent + "/" + id, in: hierarchy)
      // A group with a process is one that is just starting.
      if group.processes().isEmpty { try? group.remove() }
    }
  }

  // Addresses and names of containers that are gone: a start takes such addresses back by itself, but
  // nobody else the names.
  private func sweepLeases(_ findings: Findings) {
    let networks = ContainerNetworks(installation)
    for owner in Set(networks.host.owners() + installation.nameBook.owners).sorted()
    where findings.running[owner] == nil && !store.mayBeAlive(owner) {
      networks.release(owner: owner)
    }
  }

  // What another program has removed, and what nobody has given back.
  private func restoreRules(_ findings: inout Findings) {
    let running = findings.running
    let repair = try? installation.networkHost().firewall.check {
      running[$0] != nil || store.mayBeAlive($0)
    }
    if let notice = repair?.notice { findings.notices.append(notice) }
  }

  private func removeCgroup(_ path: String) {
    guard !path.isEmpty, let hierarchy = try? CgroupHierarchy.detect() else { return }
    let group = Cgroup(existing: path, in: hierarchy)
    guard group.exists else { return }
    try? group.kill()
    try? group.remove()
  }
}
