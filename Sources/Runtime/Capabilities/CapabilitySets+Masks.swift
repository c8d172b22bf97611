import Linux

extension CapabilitySets {
  /// Sets all but the bounding set from a plan's masks; ``dropBounding(keeping:)`` comes before.
  ///
  /// - Throws: as ``set(effective:permitted:inheritable:ambient:)``.
  public static func apply(_ masks: CapabilityMasks) throws(Failure) {
    try set(
      effective: masks.effective, permitted: masks.permitted, inheritable: masks.inheritable,
      ambient: masks.ambient)
  }
}

extension CapabilityMasks {
  /// Takes out of every set what this process cannot give because it does not have it.
  ///
  /// - Returns: the names of what was taken out.
  mutating func limitToPermitted() -> [String] {
    let available = CapabilitySets.permitted
    let lacking = (bounding | effective | permitted | inheritable | ambient) & ~available
    bounding &= available
    effective &= available
    permitted &= available
    inheritable &= available
    ambient &= available
    return CapabilitySets.names(of: lacking)
  }
}
