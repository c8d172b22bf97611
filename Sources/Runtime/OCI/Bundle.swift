import Linux

/// An OCI bundle: a directory with config.json, read and judged before anything is made.
public struct Bundle: Sendable {
  /// The bundle's absolute path.
  public let path: String
  /// What its config.json says.
  public internal(set) var spec: Spec
  /// The document as it was read.
  public let document: [UInt8]

  /// The largest config.json that is read, in bytes.
  public static let documentLimit = 16 << 20

  /// Reads and judges the bundle at a path.
  ///
  /// - Throws: ``Failure/Code/invalid`` or ``Failure/Code/unsupported`` naming the path in the document.
  public init(path: String) throws(Failure) {
    self.path = try Bundle.absolute(path)
    let file = self.path + "/config.json"
    guard let bytes = try Files.read(file, limit: Bundle.documentLimit) else {
      throw Failure(
        .notFound, "read", file, reason: "no such file or directory",
        remedy: "--bundle names a directory with a config.json")
    }
    document = bytes
    spec = try Bundle.parse(bytes, name: "config.json")
    try BundleCheck(spec: spec, bundle: self.path).run()
    spec.normalize()
  }

  /// The specification in a document, without a look at the host.
  ///
  /// - Throws: ``Failure/Code/invalid`` naming the path in the document.
  public static func parse(_ bytes: [UInt8], name: String) throws(Failure) -> Spec {
    do throws(JSONFault) { return try Spec(json: JSONValue(parsing: bytes)) } catch {
      throw Failure(json: error, name)
    }
  }

  /// Judges a specification that is in no bundle; for tests and fuzzing.
  public static func check(_ spec: Spec, bundle: String) throws(Failure) {
    try BundleCheck(spec: spec, bundle: bundle).run()
  }

  /// Judges a specification as `create` does and plans its mounts and its process, without a look at or a
  /// change of the host's groups; for fuzzing.
  public static func examine(_ spec: Spec, bundle: String) throws(Failure) {
    try check(spec, bundle: bundle)
    var spec = spec
    spec.normalize()
    _ = try MountPlan.steps(for: spec) { _, _ in [] }
    _ = try ProcessPlan(bundle: spec.process ?? Spec.Process(), linux: Spec.Linux(), nil)
    if let rules = spec.linux?.resources?.devices { _ = try DevicePolicy(rules) }
  }

  /// The root file system's absolute path.
  var rootfs: String {
    let root = spec.root?.path ?? "rootfs"
    return root.hasPrefix("/") ? root : path + "/" + root
  }

  static func absolute(_ path: String) throws(Failure) -> String {
    guard !path.isEmpty, !path.utf8.contains(0) else {
      throw Failure(.invalid, "use bundle", "\"\(path)\"", reason: "it is no path")
    }
    if path.hasPrefix("/") { return path }
    guard let current = ThisProcess.currentDirectory else {
      throw Failure(.notFound, "use bundle", path, reason: "there is no current directory")
    }
    return path == "." ? current : current + "/" + path
  }
}

extension Failure {
  /// A fault in a document as a failure.
  init(json fault: JSONFault, _ document: String) {
    self.init(
      .invalid, "read", document,
      reason: fault.path.isEmpty ? fault.reason : "\(fault.path): \(fault.reason)")
  }

  /// What a field of the specification asks and cannot be had.
  static func field(
    _ path: String, _ reason: String, code: Code = .invalid, remedy: String = ""
  ) -> Failure {
    Failure(code, "use", path, reason: reason, remedy: remedy)
  }
}

extension Spec {
  /// Brings what several spellings stand for into one: paths without slashes at their end, limits of zero,
  /// which mean none, as nil.
  mutating func normalize() {
    if var list = mounts {
      for index in list.indices { list[index].destination = list[index].destination.tidyPath }
      mounts = list
    }
    linux?.resources?.normalize()
    linux?.maskedPaths?.removeAll { $0.isEmpty }
    linux?.readonlyPaths?.removeAll { $0.isEmpty }
  }
}

extension Resources {
  /// Limits in a document: the bytes given, or else those of a file.
  public init(document: [UInt8]?, file: String) throws(Failure) {
    var found = document
    if found == nil { found = try Files.read(file, limit: 1 << 20) }
    guard let bytes = found else {
      throw Failure(.notFound, "read", file, reason: "no such file or directory")
    }
    do throws(JSONFault) { try self.init(json: JSONValue(parsing: bytes)) } catch {
      throw Failure(json: error, file == "-" ? "resources" : file)
    }
    normalize()
  }

  /// Makes limits of zero, which stand for none, nil.
  public mutating func normalize() {
    func some<Value: BinaryInteger>(_ value: Value?) -> Value? { value == 0 ? nil : value }
    if var memory {
      memory.limit = some(memory.limit)
      memory.reservation = some(memory.reservation)
      memory.swap = some(memory.swap)
      memory.kernelTCP = some(memory.kernelTCP)
      // The kernel has no such limit any more (Linux 5.16), and groups are always hierarchical.
      memory.kernel = nil
      memory.useHierarchy = nil
      if memory.disableOOMKiller == false { memory.disableOOMKiller = nil }
      self.memory = memory == Memory() ? nil : memory
    }
    if var cpu {
      cpu.shares = some(cpu.shares)
      cpu.quota = some(cpu.quota)
      cpu.period = some(cpu.period)
      cpu.realtimePeriod = some(cpu.realtimePeriod)
      cpu.realtimeRuntime = some(cpu.realtimeRuntime)
      if cpu.cpus?.isEmpty == true { cpu.cpus = nil }
      if cpu.mems?.isEmpty == true { cpu.mems = nil }
      self.cpu = cpu == CPU() ? nil : cpu
    }
    if pids?.limit == 0 { pids = nil }
    if var blockIO {
      blockIO.weight = some(blockIO.weight)
      blockIO.leafWeight = some(blockIO.leafWeight)
      for key in [
        \BlockIO.throttleReadBpsDevice, \.throttleWriteBpsDevice, \.throttleReadIOPSDevice,
        \.throttleWriteIOPSDevice,
      ] where blockIO[keyPath: key]?.isEmpty == true {
        blockIO[keyPath: key] = nil
      }
      if blockIO.weightDevice?.isEmpty == true { blockIO.weightDevice = nil }
      self.blockIO = blockIO == BlockIO() ? nil : blockIO
    }
    if network?.classID == 0 { network?.classID = nil }
  }
}

extension String {
  /// A path without "." components, doubled slashes and slashes at its end; ".." stays.
  var tidyPath: String {
    let parts = split(separator: "/").filter { $0 != "." }
    return (hasPrefix("/") ? "/" : "") + parts.joined(separator: "/")
  }

  /// Whether a path is absolute, or relative without leading above its start at any point.
  var staysBelow: Bool {
    if hasPrefix("/") { return true }
    var depth = 0
    for part in split(separator: "/") where part != "." {
      depth += part == ".." ? -1 : 1
      if depth < 0 { return false }
    }
    return true
  }
}
