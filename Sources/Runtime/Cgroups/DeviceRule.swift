import Linux

/// Allows or denies access to device nodes: an entry of OCI runtime-spec's `linux.resources.devices`.
///
/// The entries of a list are applied in order, the last that matches a device deciding.
public struct DeviceRule: Sendable, Equatable {
  /// Whether access is allowed or denied.
  public var allow: Bool
  /// "a" (all: major, minor and access are ignored), "b" or "c"; nil is "a".
  public var type: String?
  /// nil or -1: every major number.
  public var major: Int64?
  /// nil or -1: every minor number.
  public var minor: Int64?
  /// Any of "r", "w" and "m" (mknod); nil is all three.
  public var access: String?

  /// A rule by value.
  public init(
    allow: Bool, type: String? = nil, major: Int64? = nil, minor: Int64? = nil,
    access: String? = nil
  ) {
    self.allow = allow
    self.type = type
    self.major = major
    self.minor = minor
    self.access = access
  }

  /// Everything denied but ``containerNodes``.
  public static let containerDefaults: [DeviceRule] =
    [DeviceRule(allow: false, access: "rwm")] + containerNodes

  /// What every container may use: mknod(2) of any node, and opening null, zero, full, random, urandom,
  /// tty, console, ptmx and the pseudo-terminals. An OCI bundle's own rules come before these.
  public static let containerNodes: [DeviceRule] = [
    DeviceRule(allow: true, type: "c", access: "m"),
    DeviceRule(allow: true, type: "b", access: "m"),
    DeviceRule(allow: true, type: "c", major: 1, minor: 3, access: "rwm"),
    DeviceRule(allow: true, type: "c", major: 1, minor: 5, access: "rwm"),
    DeviceRule(allow: true, type: "c", major: 1, minor: 7, access: "rwm"),
    DeviceRule(allow: true, type: "c", major: 1, minor: 8, access: "rwm"),
    DeviceRule(allow: true, type: "c", major: 1, minor: 9, access: "rwm"),
    DeviceRule(allow: true, type: "c", major: 5, minor: 0, access: "rwm"),
    DeviceRule(allow: true, type: "c", major: 5, minor: 1, access: "rwm"),
    DeviceRule(allow: true, type: "c", major: 5, minor: 2, access: "rwm"),
    DeviceRule(allow: true, type: "c", major: 136, access: "rwm"),
  ]

  /// Every device allowed, as for `--privileged`.
  public static let allowAll: [DeviceRule] = [DeviceRule(allow: true, access: "rwm")]
}

/// A list of rules brought into the form that the kernel's two mechanisms share: a default and a list of
/// exceptions from it, one for each device.
struct DevicePolicy: Equatable {
  enum Kind: UInt32, Sendable, Equatable {
    // The numbers of BPF_DEVCG_DEV_*.
    case block = 1
    case character = 2

    var letter: String { self == .block ? "b" : "c" }
  }

  /// BPF_DEVCG_ACC_*.
  struct Access: OptionSet, Equatable {
    let rawValue: UInt32
    static let mknod = Access(rawValue: 1)
    static let read = Access(rawValue: 2)
    static let write = Access(rawValue: 4)
    static let all: Access = [.mknod, .read, .write]

    var letters: String {
      (contains(.read) ? "r" : "") + (contains(.write) ? "w" : "") + (contains(.mknod) ? "m" : "")
    }
  }

  /// One device, or all of a major number or type when nil.
  struct Device: Hashable {
    var kind: Kind
    var major: UInt32?
    var minor: UInt32?

    var text: String {
      "\(kind.letter) \(major.map(String.init) ?? "*"):\(minor.map(String.init) ?? "*")"
    }
  }

  struct Exception: Equatable {
    var device: Device
    var access: Access

    /// The form of devices.allow and devices.deny: "c 1:3 rwm".
    var text: String { "\(device.text) \(access.letters)" }
  }

  /// What holds for a device that no exception names.
  private(set) var allowsByDefault: Bool
  private(set) var exceptions: [Exception] = []

  /// The policy of rules applied in order to a group that denies everything.
  ///
  /// - Throws: ``Failure/Code/invalid`` for an unknown type or access, a number out of range, or a rule
  ///   that takes away a part of what one wider rule gave: neither mechanism could express it.
  init(_ rules: [DeviceRule]) throws(Failure) {
    allowsByDefault = false
    for rule in rules { try add(rule) }
  }

  /// Whether nothing is restricted at all.
  var allowsEverything: Bool { allowsByDefault && exceptions.isEmpty }

  private mutating func add(_ rule: DeviceRule) throws(Failure) {
    let access = try DevicePolicy.access(rule)
    let kind: Kind
    switch rule.type ?? "a" {
    case "a", "":
      allowsByDefault = rule.allow
      exceptions = []
      return
    case "b": kind = .block
    case "c", "u": kind = .character
    case let other:
      throw Failure(
        .invalid, "use device rule", "\"\(other)\"", reason: "it is no type of device",
        remedy: "a type is a, b or c")
    }
    let device = Device(
      kind: kind, major: try DevicePolicy.number(rule.major, "major"),
      minor: try DevicePolicy.number(rule.minor, "minor"))
    let index = exceptions.firstIndex { $0.device == device }
    if rule.allow != allowsByDefault {
      if let index {
        exceptions[index].access.formUnion(access)
      } else {
        exceptions.append(Exception(device: device, access: access))
      }
      return
    }
    // The rule restores the default for this device. A wider exception would go on covering it.
    for other in exceptions
    where other.device != device && other.device.covers(device)
      && !other.access.isDisjoint(with: access)
    {
      throw Failure(
        .invalid, "use device rule", "\(device.text) \(access.letters)",
        reason: "it takes back a part of the wider rule \(other.text)",
        remedy: "name the devices one by one in the wider rule's place")
    }
    for index in exceptions.indices where device.covers(exceptions[index].device) {
      exceptions[index].access.subtract(access)
    }
    exceptions.removeAll { $0.access.isEmpty }
  }

  private static func access(_ rule: DeviceRule) throws(Failure) -> Access {
    guard let letters = rule.access, !letters.isEmpty else { return .all }
    var access: Access = []
    for letter in letters.utf8 {
      switch letter {
      case UInt8(ascii: "r"): access.insert(.read)
      case UInt8(ascii: "w"): access.insert(.write)
      case UInt8(ascii: "m"): access.insert(.mknod)
      default:
        throw Failure(
          .invalid, "use device rule", "\"\(letters)\"", reason: "it is no access",
          remedy: "access is made of r, w and m")
      }
    }
    return access
  }

  private static func number(_ value: Int64?, _ name: String) throws(Failure) -> UInt32? {
    guard let value, value != -1 else { return nil }
    guard let number = UInt32(exactly: value) else {
      throw Failure(
        .invalid, "use device rule", "\(name) \(value)", reason: "it is no device number")
    }
    return number
  }
}

extension DevicePolicy.Device {
  /// Whether every device that `other` stands for is one of these.
  func covers(_ other: DevicePolicy.Device) -> Bool {
    kind == other.kind && (major == nil || major == other.major)
      && (minor == nil || minor == other.minor)
  }
}
