import CMnl
import Linux

// One transaction for each change, which counts on the latest one having been minidock's own; where it was
// not, everything is looked at and put right.
extension Firewall {
  /// Adds elements in one transaction, or looks at everything when something is not as it should be.
  func apply(
    _ elements: FirewallElements, isSettled: Bool, _ isAlive: (String) -> Bool
  ) throws(Failure) -> Repair {
    try socket.with { (netfilter) throws(Failure) in
      if isSettled, let installed = records.installed(),
        try advance(
          &netfilter, removes: false,
          { batch in
            NftMessages.add(elements.host, to: host, in: &batch)
            guard installed.filtersPorts else { return }
            NftMessages.add(elements.ports, to: ports, in: &batch)
          })
      {
        return Repair()
      }
      return try reconcile(&netfilter, added: elements, isAlive)
    }
  }

  /// Removes elements in one transaction. Where another program has meddled, those that are still
  /// there go one by one, and the next check puts the rest right.
  func withdraw(_ elements: FirewallElements) throws(Failure) {
    guard let installed = records.installed() else { return }
    let ofPorts = installed.filtersPorts ? elements.ports : []
    try socket.with { (netfilter) throws(Failure) in
      let isDone = try advance(&netfilter, removes: true) { batch in
        NftMessages.remove(elements.host, from: host, in: &batch)
        NftMessages.remove(ofPorts, from: ports, in: &batch)
      }
      if isDone { return }
      for (table, element) in elements.host.map({ (host, $0) }) + ofPorts.map({ (ports, $0) }) {
        var batch = MessageBatch(capacity: 512)
        NftMessages.transaction(to: &batch) {
          NftMessages.remove([element], from: table, in: &$0)
        }
        try netfilter.exchange(
          &batch, "remove packet rule's element", element.set, tolerated: [ErrorNumber.noEntry])
      }
    }
    socket.noteRemoval()
  }

  /// Makes a change that counts on the latest transaction having been minidock's own.
  ///
  /// - Parameter removes: whether something goes, and numbers of earlier transactions with it. A
  ///   change that only adds leaves the kernel nothing to free.
  /// - Returns: false when it was not, or the sets do not hold what they should.
  private func advance(
    _ netfilter: inout NetlinkSocket, removes: Bool, _ body: (inout MessageBatch) -> Void
  ) throws(Failure) -> Bool {
    while true {
      let now = try netfilter.generation()
      guard try isOwn(now, &netfilter) else { return false }
      var batch = MessageBatch(capacity: 2048)
      NftMessages.transaction(after: now, to: &batch) { batch in
        if removes { NftMessages.flush("generation", of: host, in: &batch) }
        NftMessages.add([FirewallElements.generation(Firewall.next(now))], to: host, in: &batch)
        body(&batch)
      }
      do throws(Failure) {
        try netfilter.exchange(&batch, "change packet rules", name)
        return true
      } catch  where error.errno == ErrorNumber.restart {
        continue
      } catch
        where [ErrorNumber.noEntry, ErrorNumber.exists, ErrorNumber.busy].contains(
          error.errno)
      {
        return false
      }
    }
  }

  /// The number of the transaction after `generation`: never 0.
  private static func next(_ generation: UInt32) -> UInt32 {
    generation == .max ? 1 : generation + 1
  }

  func isTrusted(_ netfilter: inout NetlinkSocket) throws(Failure) -> Bool {
    try isOwn(try netfilter.generation(), &netfilter)
  }

  /// Whether a transaction was minidock's, and all before it since the rules were put in place.
  private func isOwn(
    _ generation: UInt32, _ netfilter: inout NetlinkSocket
  ) throws(Failure) -> Bool {
    var batch = MessageBatch(capacity: 512)
    NftMessages.get(FirewallElements.generation(generation), of: host, to: &batch)
    do throws(Failure) {
      try netfilter.exchange(&batch, "look up", "packet rules")
      return true
    } catch  where error.errno == ErrorNumber.noEntry {
      return false
    }
  }

  // MARK: - Repair

  /// Looks at everything and puts right what is not as the records say. The caller holds the lock.
  @discardableResult
  func reconcile(
    _ netfilter: inout NetlinkSocket, added: FirewallElements, _ isAlive: (String) -> Bool
  ) throws(Failure) -> Repair {
    let wanted = try FirewallState(records, forwarding, isAlive: isAlive)
    let before = records.installed()
    var installed = before ?? FirewallInstallation()
    var opensDocker = true
    for _ in 0..<20 {
      let now = try netfilter.generation()
      let change = try netfilter.difference(self, installed, wanted)
      let barriers = try netfilter.barriers(wanted.networks, opensDocker: opensDocker)
      var batch = MessageBatch(capacity: 16 << 10)
      NftMessages.transaction(after: now, to: &batch) { batch in
        change.put(self, installed, next: Firewall.next(now), to: &batch)
        barriers.put(to: &batch)
      }
      do throws(Failure) {
        try netfilter.exchange(&batch, "install packet rules", name)
      } catch  where error.errno == ErrorNumber.restart {
        continue
      } catch  where !barriers.openings.isEmpty {
        // This kernel has no xt_devgroup, or dockerd is just removing its chain.
        opensDocker = false
        continue
      } catch  where installed.filtersPorts && Firewall.lacksBridges(error) {
        installed.filtersPorts = false
        continue
      } catch { throw error.withRemedy(Firewall.remedy) }
      if before != installed { try records.write(installed) }
      let isDamage = before != nil && change.isMissing(otherThan: added)
      let notices = (isDamage ? [wanted.notice] : []) + (barriers.notice.map { [$0] } ?? [])
      return Repair(notice: notices.isEmpty ? nil : notices.joined(separator: "; "))
    }
    throw Failure(
      .inUse, "install packet rules", name,
      reason: "another program keeps changing or removing them")
  }
}
