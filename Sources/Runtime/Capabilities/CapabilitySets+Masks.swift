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
