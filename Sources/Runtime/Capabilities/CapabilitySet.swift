import Linux

/// Capabilities as the kernel's 64-bit mask.
public struct CapabilitySet: OptionSet, Sendable, Hashable {
  /// The kernel's mask.
  public let rawValue: UInt64

  /// A set by its mask.
  public init(rawValue: UInt64) { self.rawValue = rawValue }

  /// A set of single capabilities.
  public init(_ capabilities: [Capability]) {
    self.init(rawValue: capabilities.reduce(0) { $0 | $1.mask })
  }

  /// A set of names, as in an OCI `process.capabilities` list.
  ///
  /// - Throws: ``Failure/Code/invalid`` for an unknown name.
  public init(names: [String]) throws(Failure) {
    var mask: UInt64 = 0
    for name in names { mask |= try Capability(name).mask }
    self.init(rawValue: mask)
  }

  /// The 14 capabilities that docker gives a container.
  public static let containerDefaults = CapabilitySet([
    .chown, .dacOverride, .fsetid, .fowner, .mknod, .netRaw, .setgid, .setuid, .setfcap, .setpcap,
    .netBindService, .sysChroot, .kill, .auditWrite,
  ])

  /// Whether a capability is in the set.
  public func has(_ capability: Capability) -> Bool { rawValue & capability.mask != 0 }

  /// The OCI names in the order of their numbers.
  public var names: [String] {
    Capability.allCases.filter { has($0) }.map(\.name)
  }

  /// A container's set from docker's flags.
  ///
  /// In docker's order: `--privileged` gives all whatever else is said; adding ALL gives all but those
  /// dropped by name; dropping ALL leaves just those added; otherwise first the dropped go from the
  /// defaults, then the added come, so that adding wins.
  /// - Parameter available: what "all" stands for: ``CapabilitySets/available()``.
  /// - Throws: ``Failure/Code/invalid`` for an unknown name, with `--privileged` too.
  public static func container(
    adding: [String], dropping: [String], privileged: Bool = false,
    available: () throws(Failure) -> CapabilitySet,
    defaults: CapabilitySet = .containerDefaults
  ) throws(Failure) -> CapabilitySet {
    let add = try FlagList(adding)
    let drop = try FlagList(dropping)
    if privileged { return try available() }
    if add.all { return try available().subtracting(drop.set) }
    if drop.all { return add.set }
    return defaults.subtracting(drop.set).union(add.set)
  }
}

/// The values of `--cap-add` or `--cap-drop`.
private struct FlagList {
  var all = false
  var set: CapabilitySet = []

  init(_ names: [String]) throws(Failure) {
    for name in names {
      if ["ALL", "CAP_ALL"].contains(name.uppercased()) {
        all = true
      } else {
        set.formUnion(CapabilitySet([try Capability(name)]))
      }
    }
  }
}
