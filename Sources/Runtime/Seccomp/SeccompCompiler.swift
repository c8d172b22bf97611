import CSeccomp
import Linux

/// Compiles profiles to classic BPF with libseccomp.
public enum SeccompCompiler {
  /// The filter of a profile as `struct sock_filter`s for ``Linux/Seccomp/install(_:flags:)``.
  ///
  /// Calls whose names this libseccomp does not know are skipped, as in runc: the profile may be newer
  /// than the library, and such a call is newer than the kernel the library was made for.
  /// - Parameter capabilities: the container's bounding set.
  /// - Throws: ``Failure/Code/invalid`` for what no filter can express.
  public static func compile(
    _ profile: SeccompProfile, capabilities: CapabilitySet
  ) throws(Failure) -> [UInt8] {
    try compile(try profile.resolve(capabilities: capabilities))
  }

  /// libseccomp's version, "2.5.4".
  static var libraryVersion: String {
    guard let version = seccomp_version()?.pointee else { return "unknown" }
    return "\(version.major).\(version.minor).\(version.micro)"
  }

  static func compile(_ profile: ResolvedSeccomp) throws(Failure) -> [UInt8] {
    let prologue = SeccompPrologue.bytes(for: prologue(of: profile))
    let whole = prologue + (try translate(profile, profile.rules))
    let bytes = try compact(whole, prologue, profile) ?? whole
    guard bytes.count / 8 <= Seccomp.maximumInstructions else {
      throw Failure(
        .refused, "compile seccomp profile", "",
        reason: "it needs \(bytes.count / 8) instructions, more than the kernel's"
          + " \(Seccomp.maximumInstructions)",
        remedy: "use fewer rules")
    }
    return bytes
  }

  /// The filter before it is made shorter.
  static func translate(_ profile: ResolvedSeccomp) throws(Failure) -> [UInt8] {
    SeccompPrologue.bytes(for: prologue(of: profile)) + (try translate(profile, profile.rules))
  }

  /// The filter that libseccomp makes from some of the rules.
  private static func translate(
    _ profile: ResolvedSeccomp, _ rules: [ResolvedSeccomp.Rule]
  ) throws(Failure) -> [UInt8] {
    guard let filter = seccomp_init(profile.defaultAction) else {
      throw failure(-22, "use default action")
    }
    defer { seccomp_release(filter) }
    // A binary tree over the numbers: short ways for each call.
    _ = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2)
    if let action = profile.otherArchitectureAction {
      try check(seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, action), "set action")
    }
    for token in profile.architectures.dropFirst() {
      try check(seccomp_arch_add(filter, token), "add architecture \(token)")
    }
    for rule in rules where rule.action != profile.defaultAction {
      for name in rule.names { try add(rule, name, to: filter) }
    }
    return try export(filter)
  }

  /// The same filter by ranges of numbers; nil when it would not be shorter or not surely the same.
  private static func compact(
    _ whole: [UInt8], _ prologue: [UInt8], _ profile: ResolvedSeccomp
  ) throws(Failure) -> [UInt8]? {
    // x32 calls have numbers of their own inside another architecture's.
    if profile.architectures.contains(x32) { return nil }
    var conditional: Set<String> = []
    for rule in profile.rules where !rule.args.isEmpty { conditional.formUnion(rule.names) }
    for entry in profile.guards { conditional.insert(entry.syscall) }
    let compaction = SeccompCompaction(whole)
    var architectures: [(token: UInt32, ranges: [SeccompCompaction.Range])] = []
    for token in profile.architectures {
      guard let ranges = compaction.ranges(architecture: token) else { return nil }
      // A number that depends on arguments though no rule of its name does: libseccomp has spread rules
      // over socketcall(2) or ipc(2). Their rules cannot be told apart then.
      let known = Set(
        conditional.map { UInt32(bitPattern: seccomp_syscall_resolve_name_arch(token, $0)) })
      for (index, range) in ranges.enumerated() where range.outcome == .dependsOnArguments {
        let end = index + 1 < ranges.count ? ranges[index + 1].first : range.first &+ 1
        guard end > range.first, end - range.first < 100,
          (range.first..<end).allSatisfy({ known.contains($0) })
        else { return nil }
      }
      architectures.append((token, ranges))
    }
    // No architecture has this number.
    guard case .action(let otherwise)? = compaction.outcome(number: 0, architecture: 0) else {
      return nil
    }
    var rules: [ResolvedSeccomp.Rule] = []
    for rule in profile.rules {
      let names = rule.names.filter { conditional.contains($0) }
      if !names.isEmpty {
        rules.append(ResolvedSeccomp.Rule(names: names, action: rule.action, args: rule.args))
      }
    }
    let compacted = SeccompCompaction.assemble(
      architectures, otherwise: otherwise, rules: prologue + (try translate(profile, rules)))
    return compacted.flatMap { $0.count < whole.count ? $0 : nil }
  }

  private static func add(
    _ rule: ResolvedSeccomp.Rule, _ name: String, to filter: scmp_filter_ctx
  ) throws(Failure) {
    let number = seccomp_syscall_resolve_name(name)
    if number == -1 { return }
    let conditions = rule.args.map {
      scmp_arg_cmp(
        arg: $0.index, op: scmp_compare(rawValue: $0.op), datum_a: $0.value, datum_b: $0.valueTwo)
    }
    // libseccomp takes one condition for each argument; more are alternatives, as in runc.
    let isRepeated = Set(rule.args.map(\.index)).count < rule.args.count
    for group in isRepeated ? conditions.map({ [$0] }) : [conditions] {
      try check(
        seccomp_rule_add_array(filter, rule.action, number, UInt32(group.count), group),
        "add rule for \(name)")
    }
  }

  private static func export(_ filter: scmp_filter_ctx) throws(Failure) -> [UInt8] {
    // The largest program has half the size of a pipe's buffer, so that writing never waits.
    let pipe = try Descriptor.pipe()
    let result = seccomp_export_bpf(filter, pipe.write.raw)
    let read = consumeWriteEnd(pipe)
    try check(result, "export")
    return try read.readToEnd(limit: 64 << 10, object: "seccomp program")
  }

  private static func consumeWriteEnd(_ pipe: consuming Pipe) -> Descriptor { pipe.read }

  // What the profile knows of each architecture: numbers below zero stand for calls it does not have.
  private static func prologue(of profile: ResolvedSeccomp) -> [SeccompPrologue.Architecture] {
    let notImplemented = ResolvedSeccomp.errno | 38
    let isOpen =
      [ResolvedSeccomp.allow, ResolvedSeccomp.log, notImplemented].contains(profile.defaultAction)
    return profile.architectures.compactMap { token in
      // x32 is no architecture of its own to the kernel.
      guard token != x32 else { return nil }
      var last: Int32 = -1
      if !isOpen {
        for rule in profile.rules {
          for name in rule.names {
            last = max(last, seccomp_syscall_resolve_name_arch(token, name))
          }
        }
      }
      let guards = profile.guards.compactMap { entry in
        let number = seccomp_syscall_resolve_name_arch(token, entry.syscall)
        return number < 0
          ? nil
          : SeccompPrologue.Guard(
            number: UInt32(number), argument: entry.argument, values: entry.values)
      }
      return SeccompPrologue.Architecture(
        token: token, lastKnown: last < 0 ? nil : UInt32(last), guards: guards)
    }
  }

  private static let x32: UInt32 = 0x4000_003e  // SCMP_ARCH_X32

  // libseccomp returns negative error numbers.
  private static func check(_ result: Int32, _ what: String) throws(Failure) {
    if result < 0 { throw failure(result, what) }
  }

  private static func failure(_ result: Int32, _ what: String) -> Failure {
    Failure(
      .invalid, "compile seccomp profile", "",
      reason: "libseccomp refuses to \(what): \(errorText(-result))")
  }
}
