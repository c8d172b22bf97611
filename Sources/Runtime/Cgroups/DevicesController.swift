import Linux

/// Which devices the processes of one group may use: the devices controller of v1, an eBPF program on
/// v2.
struct DevicesController {
  let directory: ControlDirectory
  let version: CgroupVersion

  init(_ root: String, _ version: CgroupVersion) {
    directory = ControlDirectory(root)
    self.version = version
  }

  /// Brings the group under a policy.
  ///
  /// - Parameter isNew: the group was just made and has no process; saves looking for what was set.
  func apply(_ policy: DevicePolicy, isNew: Bool) throws(Failure) {
    do throws(Failure) {
      switch version {
      case .v1: try applyV1(policy, isNew: isNew)
      case .v2: try applyV2(policy, isNew: isNew)
      }
    } catch {
      throw error.during(
        "set", "device rules", remedy: error.isDenied ? "minidock needs root here" : "")
    }
  }

  private func applyV1(_ policy: DevicePolicy, isNew: Bool) throws(Failure) {
    let lines = policy.exceptions.map(\.text)
    if policy.allowsByDefault {
      try directory.write("devices.allow", "a")
      if !lines.isEmpty { try directory.write("devices.deny", each: lines) }
      return
    }
    let before = isNew ? ["a *:* rwm"] : directory.lines("devices.list")
    if before.contains("a *:* rwm") {
      try directory.write("devices.deny", "a")
      if !lines.isEmpty { try directory.write("devices.allow", each: lines) }
      return
    }
    // Running processes keep what they are allowed to use before and after at every moment.
    if !lines.isEmpty { try directory.write("devices.allow", each: lines) }
    let stale = DevicesController.excess(of: before, over: policy)
    if !stale.isEmpty { try directory.write("devices.deny", each: stale) }
  }

  /// The parts of devices.list's lines that a policy does not give.
  static func excess(of lines: [String], over policy: DevicePolicy) -> [String] {
    lines.compactMap { line in
      let words = line.split(separator: " ")
      guard words.count == 3 else { return nil }
      let device = "\(words[0]) \(words[1])"
      let kept = policy.exceptions.first { $0.device.text == device }?.access.letters ?? ""
      let letters = words[2].filter { !kept.contains($0) }
      return letters.isEmpty ? nil : "\(device) \(letters)"
    }
  }

  private func applyV2(_ policy: DevicePolicy, isNew: Bool) throws(Failure) {
    // A group without a program allows everything already.
    if isNew && policy.allowsEverything { return }
    let group = try Descriptor.open(directory.path, .directory)
    let program = try BPF.loadDeviceProgram(DeviceFilter.program(for: policy))
    if isNew {
      try BPF.attachFirstDeviceProgram(program, to: group, name: directory.path)
    } else {
      try BPF.attachDeviceProgram(program, to: group, name: directory.path)
    }
  }
}

extension ControlDirectory {
  /// The lines of a file; none when it cannot be read.
  func lines(_ name: String) -> [String] {
    (bytes(name) ?? []).split(separator: UInt8(ascii: "\n")).map {
      String(decoding: $0, as: UTF8.self)
    }
  }
}
