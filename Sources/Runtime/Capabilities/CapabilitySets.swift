import CCap
import Linux

/// The capability sets of the calling thread, through libcap. For a process with a single thread.
///
/// The order that keeps them safe: ``dropBounding(keeping:)`` while CAP_SETPCAP is effective;
/// PR_SET_KEEPCAPS and the change of user; at last ``apply(_:)``.
public enum CapabilitySets {
  /// The mask of a list of OCI names.
  ///
  /// - Throws: ``Failure/Code/invalid`` for an unknown name.
  public static func mask(of names: [String]) throws(Failure) -> UInt64 {
    try CapabilitySet(names: names).rawValue
  }

  /// The OCI names of a mask, in the order of their numbers.
  public static func names(of mask: UInt64) -> [String] { CapabilitySet(rawValue: mask).names }

  /// A container's mask from docker's flags: ``CapabilitySet/container(adding:dropping:privileged:available:defaults:)``
  /// where "all" is ``available()``.
  public static func mask(
    adding: [String], dropping: [String], privileged: Bool = false
  ) throws(Failure) -> UInt64 {
    try CapabilitySet.container(
      adding: adding, dropping: dropping, privileged: privileged,
      available: { () throws(Failure) in try available() }
    ).rawValue
  }

  /// What this process could give away: the kernel's capabilities that its bounding set has. This is
  /// what "ALL" and `--privileged` stand for.
  public static func available() throws(Failure) -> CapabilitySet {
    var mask: UInt64 = 0
    for number in 0..<count where cap_get_bound(cap_value_t(number)) == 1 {
      mask |= 1 << UInt64(number)
    }
    return CapabilitySet(rawValue: mask)
  }

  /// Whether a name is that of a capability of the running kernel.
  static func isKnown(_ name: String) -> Bool {
    guard let capability = try? Capability(name) else { return false }
    return Int(capability.rawValue) < count
  }

  // How many capabilities the running kernel has, which may be more than have a name here.
  private static var count: Int { min(Int(cap_max_bits()), 64) }

  /// Removes from the bounding set all that is not in `mask` (PR_CAPBSET_DROP). No way back.
  ///
  /// - Throws: EPERM without CAP_SETPCAP, unless there is nothing to drop.
  public static func dropBounding(keeping mask: UInt64) throws(Failure) {
    for number in 0..<count where mask & (1 << UInt64(number)) == 0 {
      if cap_drop_bound(cap_value_t(number)) == 0 { continue }
      let failure = Failure.last("drop capability", name(number) + " from the bounding set")
      if cap_get_bound(cap_value_t(number)) == 1 { throw failure }
    }
  }

  /// Sets effective, permitted, inheritable and ambient set of this process.
  ///
  /// - Throws: ``Failure/Code/refused`` naming those that this process does not have to give.
  public static func set(
    effective: UInt64, permitted: UInt64, inheritable: UInt64, ambient: UInt64
  ) throws(Failure) {
    guard ambient & ~(permitted & inheritable) == 0 else {
      throw Failure(
        .invalid, "set capabilities", describe(ambient & ~(permitted & inheritable)),
        reason: "an ambient capability must be permitted and inheritable")
    }
    guard effective & ~permitted == 0 else {
      throw Failure(
        .invalid, "set capabilities", describe(effective & ~permitted),
        reason: "an effective capability must be permitted")
    }
    guard let state = cap_init() else { throw .last("set capabilities") }
    defer { cap_free(UnsafeMutableRawPointer(state)) }
    for number in 0..<64 {
      let bit: UInt64 = 1 << UInt64(number)
      try raise(state, CAP_EFFECTIVE, number, effective & bit)
      try raise(state, CAP_PERMITTED, number, permitted & bit)
      try raise(state, CAP_INHERITABLE, number, inheritable & bit)
    }
    do throws(Failure) {
      try check("set capabilities") { cap_set_proc(state) }
    } catch  where error.isDenied {
      let lacking = permitted & ~self.permitted
      throw Failure(
        .refused, "set capabilities", describe(lacking),
        reason: "minidock itself does not have them",
        remedy: "run it as root with all capabilities, or drop these with --cap-drop")
    }
    // The kernel has already taken out of the ambient set what is not inheritable any more.
    if inheritable == 0 { return }
    try check("clear ambient capabilities") { cap_reset_ambient() }
    for value in numbers(ambient) {
      try check("set ambient capability", name(Int(value))) { cap_set_ambient(value, CAP_SET) }
    }
  }

  private static func raise(
    _ state: cap_t, _ flag: cap_flag_t, _ number: Int, _ bit: UInt64
  ) throws(Failure) {
    if bit == 0 { return }
    var value = cap_value_t(number)
    // libcap refuses a number that the running kernel does not have.
    if cap_set_flag(state, flag, 1, &value, CAP_SET) < 0 {
      throw .last("set capability", name(number))
    }
  }

  /// What this process has in its permitted set, and so the most that it can give.
  static var permitted: UInt64 {
    guard let state = cap_get_proc() else { return 0 }
    defer { cap_free(UnsafeMutableRawPointer(state)) }
    var mask: UInt64 = 0
    for number in 0..<count {
      var value = CAP_CLEAR
      if cap_get_flag(state, cap_value_t(number), CAP_PERMITTED, &value) == 0, value == CAP_SET {
        mask |= 1 << UInt64(number)
      }
    }
    return mask
  }

  private static func numbers(_ mask: UInt64) -> [cap_value_t] {
    (0..<64).filter { mask & (1 << UInt64($0)) != 0 }.map { cap_value_t($0) }
  }

  private static func name(_ number: Int) -> String {
    UInt8(exactly: number).flatMap { Capability(rawValue: $0)?.name } ?? "capability \(number)"
  }

  private static func describe(_ mask: UInt64) -> String {
    numbers(mask).map { name(Int($0)) }.joined(separator: " ")
  }
}
