import Linux
import TestSupport
import Testing

@testable import Runtime

@Suite struct CapabilityTests {
  @Test func `names and numbers are the kernel's`() throws {
    #expect(Capability.allCases.count == 41)
    #expect(Capability.chown.rawValue == 0)
    #expect(Capability.netAdmin.rawValue == 12)
    #expect(Capability.sysAdmin.rawValue == 21)
    #expect(Capability.setfcap.rawValue == 31)
    #expect(Capability.checkpointRestore.rawValue == 40)
    #expect(Capability.sysTTYConfig.name == "CAP_SYS_TTY_CONFIG")
    for capability in Capability.allCases {
      #expect(try Capability(capability.name) == capability)
    }
    #expect(try Capability("net_raw") == .netRaw)
    #expect(try Capability("CAP_NET_RAW") == .netRaw)
  }

  @Test(arguments: ["", "CAP_", "NET-RAW", "CAP_CAP_CHOWN", "CHOWN ", "ALLL", "41"])
  func `an unknown name is an error, never dropped`(name: String) {
    #expect(thrownBy { () throws(Failure) in _ = try Capability(name) }?.code == .invalid)
    #expect(
      thrownBy { () throws(Failure) in
        _ = try CapabilitySet.container(
          adding: [], dropping: [name], privileged: true, available: { () throws(Failure) in [] })
      }?.code == .invalid)
  }

  @Test func `a container has docker's fourteen`() {
    #expect(CapabilitySet.containerDefaults.rawValue == 0xa804_25fb)
    #expect(CapabilitySet.containerDefaults.names.count == 14)
  }

  private func tweak(
    _ adding: [String], _ dropping: [String], privileged: Bool = false
  ) throws -> CapabilitySet {
    try CapabilitySet.container(
      adding: adding, dropping: dropping, privileged: privileged,
      available: { () throws(Failure) in
        CapabilitySet([.chown, .kill, .sysAdmin, .netAdmin, .netRaw])
      })
  }

  @Test func `adding and dropping follow docker's order`() throws {
    let defaults = CapabilitySet.containerDefaults
    #expect(try tweak([], []) == defaults)
    #expect(try tweak(["SYS_ADMIN"], []) == defaults.union(CapabilitySet([.sysAdmin])))
    #expect(try tweak([], ["cap_chown"]) == defaults.subtracting(CapabilitySet([.chown])))
    #expect(try tweak(["CHOWN"], ["CHOWN"]) == defaults)
    #expect(
      try tweak(["ALL"], ["NET_RAW"])
        == CapabilitySet([.chown, .kill, .sysAdmin, .netAdmin]))
    #expect(try tweak(["NET_RAW"], ["ALL"]) == CapabilitySet([.netRaw]))
    #expect(try tweak([], ["all"]) == [])
    #expect(
      try tweak(["ALL"], ["ALL"])
        == CapabilitySet([.chown, .kill, .sysAdmin, .netAdmin, .netRaw]))
    #expect(
      try tweak([], ["ALL"], privileged: true)
        == CapabilitySet([.chown, .kill, .sysAdmin, .netAdmin, .netRaw]))
  }

  @Test func `what is available is what the kernel shows of this process`() throws {
    let text = ControlDirectory("/proc/self").words("status")
    let position = try #require(text.firstIndex(of: "CapBnd:"))
    let bounding = try #require(UInt64(text[position + 1], radix: 16))
    #expect(try CapabilitySets.available().rawValue == bounding)
  }

  @Test func `impossible combinations are refused before the kernel is asked`() {
    #expect(
      thrownBy { () throws(Failure) in
        try CapabilitySets.set(effective: 0, permitted: 1, inheritable: 0, ambient: 1)
      }?.code == .invalid)
    #expect(
      thrownBy { () throws(Failure) in
        try CapabilitySets.set(effective: 2, permitted: 1, inheritable: 0, ambient: 0)
      }?.code == .invalid)
  }

  @Test(.enabled(if: isRoot, "needs root"))
  func `sec12_CVE_2022_24769 a process ends up with exactly the sets asked for`() throws {
    let mask = CapabilitySet.containerDefaults.rawValue
    let lines = try ForkedChild.output { () throws(Failure) in
      // The start is as bad as it can be: everything inheritable and ambient.
      let all = (try? CapabilitySets.available().rawValue) ?? 0
      try CapabilitySets.set(
        effective: all, permitted: all, inheritable: all, ambient: all)
      let before = ForkedChild.statusLines("Cap")
      try CapabilitySets.dropBounding(keeping: mask)
      try CapabilitySets.set(effective: mask, permitted: mask, inheritable: 0, ambient: 0)
      return before + ForkedChild.statusLines("Cap")
    }
    func values(_ name: String) -> [UInt64] {
      lines.filter { $0.hasPrefix(name) }
        .compactMap { $0.split(separator: "\t").last.flatMap { UInt64($0, radix: 16) } }
    }
    // The control: before, the two sets were full.
    #expect(values("CapInh").first != 0 && values("CapAmb").first != 0)
    #expect(values("CapInh").last == 0)
    #expect(values("CapAmb").last == 0)
    for name in ["CapBnd", "CapEff", "CapPrm"] { #expect(values(name).last == mask, "\(name)") }
  }

  @Test(.enabled(if: isRoot, "needs root"))
  func `a capability that this process lacks is named in the error`() throws {
    let lines = try ForkedChild.output { () throws(Failure) in
      try CapabilitySets.set(effective: 0, permitted: 0, inheritable: 0, ambient: 0)
      let error = thrownBy { () throws(Failure) in
        try CapabilitySets.set(
          effective: 0, permitted: Capability.netRaw.mask, inheritable: 0, ambient: 0)
      }
      return [error?.description ?? "no error"]
    }
    #expect(lines.first?.contains("CAP_NET_RAW") == true, "\(lines)")
  }
}
