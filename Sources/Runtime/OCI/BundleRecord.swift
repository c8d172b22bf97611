import Linux

/// The lifecycle of the specification ("Runtime and Lifecycle", State).
public enum BundleStatus: String, Sendable {
  /// Being made.
  case creating
  /// Made; the command has not been executed.
  case created
  /// The command has been executed and has not ended.
  case running
  /// Every process is frozen.
  case paused
  /// The first process has ended.
  case stopped
}

/// What is written down about a container: where it is and what was made for it. Its status is not: that is
/// asked of the kernel.
public struct BundleRecord: Sendable, Equatable {
  /// The name that the engine gave it.
  public var id = ""
  /// The version that its config.json has.
  public var version = "1.2.0"
  /// The bundle's absolute path.
  public var bundle = ""
  /// The root file system's absolute path.
  public var rootfs = ""
  /// The first process; nil until it is born.
  public var process: ProcessIdentity?
  /// Whether everything but the command is made: until then the container is being created.
  public var isReady = false
  /// File system and inode of the program that waits for `start`, to tell whether it still does.
  public var waiting: (device: UInt64, inode: UInt64)?
  /// When it was created.
  public var created = Timestamp(nanoseconds: 0)
  /// Its group, below the root of every hierarchy; "" for none.
  public var cgroup = ""
  /// systemd's unit that the group belongs to; "" when minidock has made the group itself.
  public var unit = ""
  /// Who created it.
  public var owner: UInt32 = 0
  /// Whether its process has a terminal.
  public var hasTerminal = false
  /// Whether it has a user namespace of its own or somebody's.
  public var hasUserNamespace = false
  /// Whether it has a pid namespace of its own, so that its processes end with the first.
  public var hasPIDNamespace = true
  /// Whether programs are to be run at `start` or `delete`.
  public var hasHooks = false
  /// The specification's annotations.
  public var annotations: [(key: String, value: String)] = []

  /// An empty record.
  public init() {}

  /// Equal when the same would be written.
  public static func == (a: BundleRecord, b: BundleRecord) -> Bool { a.fields == b.fields }

  /// The record as text.
  var fields: FieldText {
    var text = FieldText()
    text.add("id", id)
    text.add("version", version)
    text.add("bundle", bundle)
    text.add("rootfs", rootfs)
    if let process {
      text.add("pid", process.pid)
      text.add("start", process.startTime)
    }
    if let waiting {
      text.add("device", waiting.device)
      text.add("inode", waiting.inode)
    }
    text.add("ready", isReady ? 1 : 0)
    text.add("created", created.nanoseconds)
    text.add("cgroup", cgroup)
    if !unit.isEmpty { text.add("unit", unit) }
    text.add("owner", owner)
    text.add("terminal", hasTerminal ? 1 : 0)
    text.add("user", hasUserNamespace ? 1 : 0)
    text.add("ownpid", hasPIDNamespace ? 1 : 0)
    text.add("hooks", hasHooks ? 1 : 0)
    for (key, value) in annotations {
      text.add("annotation", key)
      text.add("value", value)
    }
    // The last line: a record without it is damaged.
    text.add("end", "1")
    return text
  }

  /// Reads a record; nil for one that is damaged.
  init?(_ text: FieldText) {
    guard text["end"] == "1", let id = text["id"], let bundle = text["bundle"] else { return nil }
    self.id = id
    self.bundle = bundle
    version = text["version"] ?? version
    rootfs = text["rootfs"] ?? ""
    if let pid = text.number("pid", as: Int32.self),
      let start = text.number("start", as: UInt64.self)
    {
      process = ProcessIdentity(pid: pid, startTime: start)
    }
    if let device = text.number("device", as: UInt64.self),
      let inode = text.number("inode", as: UInt64.self)
    {
      waiting = (device, inode)
    }
    isReady = text["ready"] == "1"
    created = Timestamp(nanoseconds: text.number("created") ?? 0)
    cgroup = text["cgroup"] ?? ""
    unit = text["unit"] ?? ""
    owner = text.number("owner") ?? 0
    hasTerminal = text["terminal"] == "1"
    hasUserNamespace = text["user"] == "1"
    hasPIDNamespace = text["ownpid"] != "0"
    hasHooks = text["hooks"] == "1"
    annotations = Array(zip(text.all("annotation"), text.all("value"))).map {
      (key: $0.0, value: $0.1)
    }
  }
}

extension Bundle {
  /// The limits that its group gets.
  var resources: Resources {
    var resources = spec.linux?.resources ?? Resources()
    if let rules = resources.devices, !rules.isEmpty {
      resources.devices = rules + DeviceRule.containerNodes
    }
    return resources
  }
}

extension BundleRecord {
  /// The record of a container that is being made of a bundle; its group is yet to be chosen.
  init(_ id: String, of bundle: Bundle) {
    let spec = bundle.spec
    let namespaces = spec.linux?.namespaces ?? []
    self.id = id
    version = spec.ociVersion
    self.bundle = bundle.path
    rootfs = bundle.rootfs
    created = .now
    owner = ThisProcess.effectiveUser
    hasTerminal = spec.process?.terminal ?? false
    hasUserNamespace = namespaces.contains { $0.type == "user" }
    hasPIDNamespace = namespaces.contains { $0.type == "pid" && $0.path == nil }
    hasHooks = spec.hooks?.points.contains { !$0.hooks.isEmpty } ?? false
    annotations = (spec.annotations ?? [:]).sorted { $0.key < $1.key }.map {
      (key: $0.key, value: $0.value)
    }
  }

  /// The specification's state document.
  ///
  /// - Parameter pid: as the reader's pid namespace numbers it; left out when the container has stopped.
  func document(status: BundleStatus, pid: Int32?) -> JSONValue {
    var members: [(key: String, value: JSONValue)] = [
      ("ociVersion", .string(version)), ("id", .string(id)),
      ("pid", .number(Int64(status == .stopped ? 0 : pid ?? 0))),
      ("status", .string(status.rawValue)), ("bundle", .string(bundle)),
    ]
    if !annotations.isEmpty {
      members.append(
        ("annotations", .object(annotations.map { (key: $0.key, value: .string($0.value)) })))
    }
    return .object(members)
  }

  /// What `state` and `list --format json` print: runc's members.
  public func listing(status: BundleStatus) -> JSONValue {
    guard case .object(var members) = document(status: status, pid: process?.pid) else {
      return .null
    }
    let annotations = members.count > 5 ? members.removeLast() : nil
    members.append(("rootfs", .string(rootfs)))
    members.append(("created", .string(created.description)))
    if let annotations { members.append(annotations) }
    members.append(("owner", .string(owner == 0 ? "root" : String(owner))))
    return .object(members)
  }
}
