import Linux

/// A bind mount, volume or tmpfs that a user asks for with -v, --mount or --tmpfs.
public struct MountRequest: Sendable, Equatable {
  /// What is mounted.
  public enum Kind: String, Sendable {
    case bind
    case volume
    case tmpfs
  }

  /// Where the files are kept: on the host, in a volume, in memory.
  public var kind: Kind
  /// The host path of a bind; the name of a volume, empty for one that gets a name of its own when the
  /// container is created; empty for a tmpfs.
  public var source: String
  /// An absolute path in the container, not "/".
  public var target: String
  /// Whether it cannot be written to; in a bind this reaches the mounts below it (Linux 5.12).
  public var readOnly = false
  /// "rprivate" and so on; empty for the default.
  public var propagation = ""
  /// Only the source's own mount, not those below it.
  public var nonRecursive = false
  /// Options of a tmpfs, as mount(8) takes them.
  public var options: [String] = []
  /// Whether a missing source is made as a directory: docker's -v does, --mount does not.
  public var createsSource = false
  /// Whether a volume stays empty where the image has content at the target.
  public var noCopy = false
  /// Whether the user gave the volume no name: such a one goes with `rm -v`.
  public var isAnonymous = false

  private static let propagations = [
    "private", "rprivate", "slave", "rslave", "shared", "rshared",
  ]

  init(kind: Kind, source: String, target: String) {
    self.kind = kind
    self.source = source
    self.target = target
  }

  private static func wrong(_ flag: String, _ text: String, _ reason: String) -> Failure {
    Failure(.invalid, "parse", "\(flag)=\(text)", reason: reason)
  }

  /// Parses `-v [SOURCE:]TARGET[:OPTIONS]`: a host path is bound, a name is a volume's, and without a
  /// source the volume is anonymous.
  public init(volume text: String) throws(Failure) {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
    guard (1...3).contains(parts.count) else {
      throw MountRequest.wrong("--volume", text, "it is not [SOURCE:]TARGET[:ro|rw]")
    }
    if parts.count == 1 {
      self.init(kind: .volume, source: "", target: parts[0])
      isAnonymous = true
    } else if parts[0].hasPrefix("/") {
      self.init(kind: .bind, source: parts[0], target: parts[1])
      createsSource = true
    } else {
      try MountRequest.checkName(parts[0], "--volume", text)
      self.init(kind: .volume, source: parts[0], target: parts[1])
    }
    try checkTarget("--volume", text)
    for option in parts.count == 3 ? parts[2].split(separator: ",").map(String.init) : [] {
      switch option {
      case "ro": readOnly = true
      case "rw": readOnly = false
      case "nocopy": noCopy = kind == .volume
      case "z", "Z", "delegated", "cached", "consistent": break
      case _ where kind == .bind && MountRequest.propagations.contains(option):
        propagation = option
      case "bind-nonrecursive" where kind == .bind: nonRecursive = true
      default: throw MountRequest.wrong("--volume", text, "unknown option \"\(option)\"")
      }
    }
  }

  // A word with a slash was meant as a path, which docker takes from its root only.
  private static func checkName(
    _ name: String, _ flag: String, _ text: String
  ) throws(Failure) {
    guard !name.isEmpty else {
      throw wrong(flag, text, "it has neither a host path nor a volume's name")
    }
    guard !name.contains("/"), !name.hasPrefix(".") else {
      throw Failure(
        .invalid, "parse", "\(flag)=\(text)",
        reason: "the source \"\(name)\" is neither an absolute path nor a volume's name",
        remedy: "name a directory of the host, such as \"$PWD/\(name)\", or a volume")
    }
    try VolumeStore.validate(name: name)
  }

  /// Parses `--mount [type=volume|bind|tmpfs,][source=…,]target=…[,readonly]…`.
  public init(mount text: String) throws(Failure) {
    self.init(kind: .volume, source: "", target: "")
    var type = "volume"
    var given = Set<Kind>()
    for field in text.split(separator: ",").map(String.init) {
      let equals = field.firstIndex(of: "=")
      let key = (equals.map { String(field[..<$0]) } ?? field).lowercased()
      let value = equals.map { String(field[field.index(after: $0)...]) }
      if key == "type", let value {
        type = value
      } else if !takeCommon(key, value) {
        guard let owner = try takeSpecial(key, value) else {
          throw MountRequest.wrong("--mount", text, "unknown field or value \"\(field)\"")
        }
        given.insert(owner)
      }
    }
    guard let kind = Kind(rawValue: type) else {
      throw MountRequest.wrong(
        "--mount", text, "type=\(type) is not supported; use type=volume, bind or tmpfs")
    }
    self.kind = kind
    if let other = given.first(where: { $0 != kind }) {
      throw MountRequest.wrong(
        "--mount", text, "it has a field of another type; that needs type=\(other.rawValue)")
    }
    switch kind {
    case .bind:
      guard source.hasPrefix("/") else {
        throw MountRequest.wrong("--mount", text, "the source is not an absolute path")
      }
    case .volume:
      isAnonymous = source.isEmpty
      if !isAnonymous { try MountRequest.checkName(source, "--mount", text) }
    case .tmpfs:
      if !source.isEmpty { throw MountRequest.wrong("--mount", text, "a tmpfs has no source") }
    }
    try checkTarget("--mount", text)
  }

  // Fields that every type has.
  private mutating func takeCommon(_ key: String, _ value: String?) -> Bool {
    switch (key, value) {
    case ("source", let value?), ("src", let value?): source = value
    case ("target", let value?), ("dst", let value?), ("destination", let value?): target = value
    case ("readonly", nil), ("ro", nil), ("readonly", "true"), ("ro", "true"), ("readonly", "1"),
      ("ro", "1"):
      readOnly = true
    case ("readonly", "false"), ("ro", "false"), ("readonly", "0"), ("ro", "0"): readOnly = false
    case ("consistency", _?): break
    default: return false
    }
    return true
  }

  // Fields of one type, which is returned; nil for an unknown one.
  private mutating func takeSpecial(_ key: String, _ value: String?) throws(Failure) -> Kind? {
    switch (key, value) {
    case ("bind-propagation", let value?) where MountRequest.propagations.contains(value):
      propagation = value
      return .bind
    case ("bind-recursive", "disabled"), ("bind-nonrecursive", nil), ("bind-nonrecursive", "true"):
      nonRecursive = true
      return .bind
    case ("bind-recursive", "enabled"):
      nonRecursive = false
      return .bind
    case ("tmpfs-size", let value?):
      options.append("size=\(try ByteCount(value, flag: "--mount tmpfs-size").bytes)")
      return .tmpfs
    case ("tmpfs-mode", let value?) where UInt16(value, radix: 8).map { $0 <= 0o7777 } ?? false:
      options.append("mode=\(value)")
      return .tmpfs
    case ("volume-nocopy", nil), ("volume-nocopy", "true"), ("volume-nocopy", "1"):
      noCopy = true
      return .volume
    case ("volume-nocopy", "false"), ("volume-nocopy", "0"): return .volume
    case ("volume-driver", "local"): return .volume
    default: return nil
    }
  }

  /// Parses `--tmpfs TARGET[:OPTIONS]`.
  public init(tmpfs text: String) throws(Failure) {
    let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
      .map(String.init)
    self.init(kind: .tmpfs, source: "", target: parts.first ?? "")
    try checkTarget("--tmpfs", text)
    // Docker's defaults; an option given later wins.
    options = ["noexec", "nosuid", "nodev"]
    for option in parts.count == 2 ? parts[1].split(separator: ",").map(String.init) : [] {
      if option == "ro" { readOnly = true } else { options.append(option) }
    }
  }

  private func checkTarget(_ flag: String, _ text: String) throws(Failure) {
    guard target.hasPrefix("/") else {
      throw MountRequest.wrong(
        flag, text, "the target \"\(target)\" is not an absolute path in the container")
    }
    // "/." and "/a/.." are the root as well.
    guard MountRequest.rooted(target) != "/" else {
      throw MountRequest.wrong(flag, text, "the target cannot be \"/\"")
    }
  }
}

extension MountRequest {
  /// A path taken from the container's root, whatever it looks like: "../../etc" is "/etc" (row 19). By
  /// bytes, as the kernel splits paths.
  static func rooted(_ path: String) -> String {
    var names: [Substring.UTF8View] = []
    for name in path[...].utf8.split(separator: UInt8(ascii: "/")) {
      if name.elementsEqual(".".utf8) { continue }
      if name.elementsEqual("..".utf8) { _ = names.popLast() } else { names.append(name) }
    }
    return "/" + names.map { String(decoding: $0, as: UTF8.self) }.joined(separator: "/")
  }
}

/// A host device that a user asks for with --device.
public struct DeviceRequest: Sendable, Equatable {
  /// An absolute path of the host.
  public var source: String
  /// Where the node is made: below /dev.
  public var target: String
  /// "rwm" or a part of it.
  public var access: String

  /// Parses `--device HOST[:CONTAINER][:rwm]`.
  public init(_ text: String) throws(Failure) {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
    func isAccess(_ text: String) -> Bool {
      !text.isEmpty && text.allSatisfy { "rwm".contains($0) } && Set(text).count == text.count
    }
    source = parts[0]
    target = parts[0]
    access = "rwm"
    switch parts.count {
    case 1: break
    case 2 where isAccess(parts[1]): access = parts[1]
    case 2: target = parts[1]
    case 3 where isAccess(parts[2]):
      target = parts[1]
      access = parts[2]
    default:
      throw Failure(
        .invalid, "parse", "--device=\(text)", reason: "it is not HOST[:CONTAINER][:rwm]")
    }
    guard source.hasPrefix("/"), target.hasPrefix("/dev/"),
      !target.utf8.split(separator: UInt8(ascii: "/")).contains(where: {
        $0.elementsEqual("..".utf8) || $0.elementsEqual(".".utf8)
      })
    else {
      throw Failure(
        .invalid, "parse", "--device=\(text)",
        reason: "the host's path must be absolute and the container's below /dev")
    }
  }
}
