import Linux

/// Device rules as properties, for cgroup v1 alone: there systemd writes its own list over the group's when it
/// looks at the unit again, and without rules that is "everything". On v2 it leaves alone what it has not
/// been told of, and the container's own program decides.
struct SystemdDevices {
  private let policy: DevicePolicy
  private let groups: [String]

  /// - Parameter devices: the text of /proc/devices.
  init(_ policy: DevicePolicy, devices: String? = Files.text("/proc/devices")) {
    self.policy = policy
    groups = (devices ?? "").split(separator: "\n", omittingEmptySubsequences: false).map {
      String($0)
    }
  }

  /// What systemd can express; the group's own list, which is written afterwards, has the rest.
  func add(to properties: inout SystemdProperties) {
    if policy.allowsEverything {
      properties.set("DevicePolicy", .string("auto"))
      properties.set("DeviceAllow", .array("(ss)", []))
      return
    }
    var entries: [DBusValue] = []
    if !policy.allowsByDefault {
      for exception in policy.exceptions {
        guard let name = name(of: exception.device) else { continue }
        entries.append(.structure([.string(name), .string(exception.access.letters)]))
      }
    }
    properties.set("DevicePolicy", .string("strict"))
    properties.set("DeviceAllow", .array("(ss)", entries))
  }

  // systemd.resource-control(5), DeviceAllow=: a node, or a group of /proc/devices, or all of a kind.
  private func name(of device: DevicePolicy.Device) -> String? {
    let kind = device.kind == .block ? "block" : "char"
    guard let major = device.major else { return device.minor == nil ? "\(kind)-*" : nil }
    if let minor = device.minor { return "/dev/\(kind)/\(major):\(minor)" }
    return group(major, device.kind).map { "\(kind)-\($0)" }
  }

  // "Character devices:", lines of number and name, an empty line, "Block devices:", lines.
  private func group(_ major: UInt32, _ kind: DevicePolicy.Kind) -> String? {
    var isThere = false
    for line in groups {
      if line.hasSuffix(":") {
        isThere = line.hasPrefix(kind == .block ? "Block" : "Character")
        continue
      }
      let words = line.split(separator: " ")
      if isThere, words.count == 2, UInt32(words[0]) == major { return String(words[1]) }
    }
    return nil
  }
}
