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
    guard let filter = seccomp_init(profile.defaultAction) else {
      throw failure(-22, "use default action")
    }
    defer { seccomp_release(filter) }
    // A binary tree over the numbers: short ways for each call, and for the kernel, which runs the
    // filter over all numbers when it is loaded.
    _ = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2)
    if let action = profile.otherArchitectureAction {
      try check(seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, action), "set action")
    }
    for token in profile.architectures.dropFirst() {
      try check(seccomp_arch_add(filter, token), "add architecture \(token)")
    }
    for rule in profile.rules where rule.action != profile.defaultAction {
      for name in rule.names { try add(rule, name, to: filter) }
    }
    let bytes = SeccompPrologue.bytes(for: prologue(of: profile)) + (try export(filter))
    guard bytes.count / 8 <= Seccomp.maximumInstructions else {
      throw Failure(
        .refused, "compile seccomp profile", "",
        reason: "it needs \(bytes.count / 8) instructions, more than the kernel's"
          + " \(Seccomp.maximumInstructions)",
        remedy: "use fewer rules")
    }
    return bytes
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
