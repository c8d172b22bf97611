import Linux

/// A bind mount or tmpfs that a user asks for with -v, --mount or --tmpfs.
public struct MountRequest: Sendable, Equatable {
  /// What is mounted.
  public enum Kind: String, Sendable {
    case bind
    case tmpfs
  }

  /// A bind or a tmpfs; named volumes are refused by the parsers.
  public var kind: Kind
  /// The host path of a bind; empty for a tmpfs.
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

  /// Parses `-v SOURCE:TARGET[:OPTIONS]`.
  public init(volume text: String) throws(Failure) {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
    guard (2...3).contains(parts.count) else {
      throw MountRequest.wrong("--volume", text, "it is not SOURCE:TARGET[:ro|rw]")
    }
    guard parts[0].hasPrefix("/") else {
      throw Failure(
        .unsupported, "parse", "--volume=\(text)",
        reason:
          "the source \"\(parts[0])\" is not an absolute path; named volumes do not exist yet",
        remedy: "name a directory of the host, such as \"$PWD/\(parts[0])\"")
    }
    self.init(kind: .bind, source: parts[0], target: parts[1])
    createsSource = true
    try checkTarget("--volume", text)
    for option in parts.count == 3 ? parts[2].split(separator: ",").map(String.init) : [] {
      switch option {
      case "ro": readOnly = true
      case "rw": readOnly = false
      case "z", "Z", "nocopy", "delegated", "cached", "consistent": break
      case _ where MountRequest.propagations.contains(option): propagation = option
      case "bind-nonrecursive": nonRecursive = true
      default: throw MountRequest.wrong("--volume", text, "unknown option \"\(option)\"")
      }
    }
  }

  /// Parses `--mount type=bind|tmpfs,source=…,target=…[,readonly]…`.
  public init(mount text: String) throws(Failure) {
    self.init(kind: .bind, source: "", target: "")
    var type: String?
    for field in text.split(separator: ",").map(String.init) {
      let equals = field.firstIndex(of: "=")
      let key = equals.map { String(field[..<$0]) } ?? field
      let value = equals.map { String(field[field.index(after: $0)...]) }
      switch (key.lowercased(), value) {
      case ("type", let value?): type = value
      case ("source", let value?), ("src", let value?): source = value
      case ("target", let value?), ("dst", let value?), ("destination", let value?):
        target = value
      case ("readonly", nil), ("ro", nil), ("readonly", "true"), ("ro", "true"), ("readonly", "1"),
        ("ro", "1"):
        readOnly = true
      case ("readonly", "false"), ("ro", "false"): readOnly = false
      case ("bind-propagation", let value?) where MountRequest.propagations.contains(value):
        propagation = value
      case ("bind-recursive", "disabled"), ("bind-nonrecursive", nil),
        ("bind-nonrecursive", "true"):
        nonRecursive = true
      case ("bind-recursive", "enabled"): nonRecursive = false
      case ("tmpfs-size", let value?):
        options.append("size=\(try ByteCount(value, flag: "--mount tmpfs-size").bytes)")
      case ("tmpfs-mode", let value?) where UInt16(value, radix: 8).map { $0 <= 0o7777 } ?? false:
        options.append("mode=\(value)")
      case ("consistency", _?): break
      default: throw MountRequest.wrong("--mount", text, "unknown field or value \"\(field)\"")
      }
    }
    guard let type, let kind = Kind(rawValue: type) else {
      throw MountRequest.wrong(
        "--mount", text, "type=\(type ?? "volume") is not supported; use type=bind or type=tmpfs")
    }
    self.kind = kind
    if kind == .bind {
      guard source.hasPrefix("/") else {
        throw MountRequest.wrong("--mount", text, "the source is not an absolute path")
      }
      guard options.isEmpty else {
        throw MountRequest.wrong("--mount", text, "tmpfs-size and tmpfs-mode need type=tmpfs")
      }
    } else if !source.isEmpty {
      throw MountRequest.wrong("--mount", text, "a tmpfs has no source")
    }
    try checkTarget("--mount", text)
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
    var depth = 0
    for name in target.utf8.split(separator: UInt8(ascii: "/")) where !name.elementsEqual(".".utf8)
    {
      depth = name.elementsEqual("..".utf8) ? max(0, depth - 1) : depth + 1
    }
    guard depth > 0 else {
      throw MountRequest.wrong(flag, text, "the target cannot be \"/\"")
    }
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
