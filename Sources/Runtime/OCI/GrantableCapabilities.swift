import Linux

// The specification wants what cannot be granted told in a warning and left out, and no failure: bundles are made
// for kernels, hosts and runtimes with more capabilities than this one may have (config.md, "Linux Process").

extension Spec.Capabilities {
  /// Leaves out names that minidock or the running kernel does not know, and says so.
  mutating func leaveOutUnknown(_ warn: (String) -> Void) {
    let fields: [(name: String, set: WritableKeyPath<Spec.Capabilities, [String]?>)] = [
      ("bounding", \.bounding), ("effective", \.effective), ("permitted", \.permitted),
      ("inheritable", \.inheritable), ("ambient", \.ambient),
    ]
    for field in fields {
      guard let names = self[keyPath: field.set] else { continue }
      let unknown = names.filter { !CapabilitySets.isKnown($0) }
      guard !unknown.isEmpty else { continue }
      self[keyPath: field.set] = names.filter { CapabilitySets.isKnown($0) }
      warn(
        "process.capabilities.\(field.name): not granted, there is no such capability: "
          + unknown.joined(separator: " ").printable)
    }
  }
}

extension ProcessPlan {
  /// Leaves out the capabilities that the runtime itself has not got, and says so.
  ///
  /// Not for a process in a user namespace, where it has them all.
  mutating func limitCapabilities(_ warn: (String) -> Void) {
    let lacking = capabilities.limitToPermitted()
    if lacking.isEmpty { return }
    warn(
      "process.capabilities: not granted, the runtime has not got: "
        + lacking.joined(separator: " "))
  }

  /// Leaves out what the kernel refuses for the sake of another set, and says so (capabilities(7)): the bundles
  /// that `runc spec` and `crun spec` make ask for ambient capabilities alone.
  mutating func limitToGrantable(_ warn: (String) -> Void) {
    var sets = capabilities
    func limit(_ set: inout UInt64, _ name: String, to most: UInt64, _ reason: String) {
      let names = CapabilitySets.names(of: set & ~most)
      if names.isEmpty { return }
      set &= most
      warn("process.capabilities.\(name): without \(names.joined(separator: " ")), \(reason)")
    }
    limit(&sets.effective, "effective", to: sets.permitted, "not permitted as well")
    limit(&sets.inheritable, "inheritable", to: sets.bounding, "not bounding as well")
    limit(
      &sets.ambient, "ambient", to: sets.permitted & sets.inheritable,
      "not permitted and inheritable as well")
    capabilities = sets
  }
}
