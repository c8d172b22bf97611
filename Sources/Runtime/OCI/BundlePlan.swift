import Linux

/// Everything that a bundle's process has to do, decided by the runtime.
struct BundlePlan {
  /// Root, mounts, namespaces to make and the command.
  var start = InitPlan()
  /// The namespaces to enter, in the order of their descriptors.
  var joins: [Namespaces] = []
  /// How many clones of mounts come along.
  var cloneCount: UInt32 = 0
  /// Whether the first of them is the root's.
  var rootIsCloned = false
  /// Whether it lives in a user namespace, where nodes cannot be made.
  var isInUserNamespace = false
  /// Whether its root is moved onto "/" instead of exchanged with it (`--no-pivot`).
  var avoidsPivot = false
  /// Run in the container's namespaces before its root is "/".
  var createContainer: [Spec.Hook] = []
  /// Run in the container before the command.
  var startContainer: [Spec.Hook] = []
  /// What the first of them read.
  var creating = ""
  /// What the second read.
  var created = ""
  /// Whether it enters a running container: no root is made, and nothing is waited for.
  var isExec = false

  var bytes: [UInt8] {
    var writer = WireWriter(capacity: 32 << 10)
    writer.put(start)
    writer.put(joins) { $0.put($1.rawValue) }
    writer.put(cloneCount)
    writer.put(rootIsCloned)
    writer.put(isInUserNamespace)
    writer.put(avoidsPivot)
    writer.put(createContainer) { $0.put($1) }
    writer.put(startContainer) { $0.put($1) }
    writer.put(creating)
    writer.put(created)
    writer.put(isExec)
    return writer.bytes
  }

  init() {}

  init(_ bytes: [UInt8]) throws(Failure) {
    var reader = WireReader(bytes)
    start = try InitPlan(&reader)
    joins = try reader.getList { (reader) throws(Failure) in
      Namespaces(rawValue: try reader.get())
    }
    cloneCount = try reader.get()
    rootIsCloned = try reader.getBool()
    isInUserNamespace = try reader.getBool()
    avoidsPivot = try reader.getBool()
    createContainer = try reader.getList { (reader) throws(Failure) in try Spec.Hook(&reader) }
    startContainer = try reader.getList { (reader) throws(Failure) in try Spec.Hook(&reader) }
    creating = try reader.getString()
    created = try reader.getString()
    isExec = try reader.getBool()
  }
}

extension WireWriter {
  fileprivate mutating func put(_ hook: Spec.Hook) {
    put(hook.path)
    put(hook.args) { $0.put($1) }
    put(hook.env) { $0.put($1) }
    put(hook.timeout) { $0.put($1) }
  }
}

extension Spec.Hook {
  fileprivate init(_ reader: inout WireReader) throws(Failure) {
    self.init(
      path: try reader.getString(),
      args: try reader.getOptional { (reader) throws(Failure) in try reader.getStrings() },
      env: try reader.getOptional { (reader) throws(Failure) in try reader.getStrings() },
      timeout: try reader.getOptional { (reader) throws(Failure) in try reader.get() })
  }
}
