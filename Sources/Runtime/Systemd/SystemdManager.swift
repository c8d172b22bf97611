import Linux

/// systemd's manager over D-Bus (org.freedesktop.systemd1(5)): starts a scope around a process, changes and
/// stops it.
struct SystemdManager: ~Copyable {
  private static let service = "org.freedesktop.systemd1"
  private static let path = "/org/freedesktop/systemd1"
  private static let interface = "org.freedesktop.systemd1.Manager"
  private static let properties = "org.freedesktop.DBus.Properties"

  /// How long one exchange may take: runc's.
  static let patience: UInt64 = 30_000

  private var bus: DBusConnection

  /// Takes over a connection.
  init(_ bus: consuming DBusConnection) { self.bus = bus }

  /// Connects to the systemd that makes this process's groups.
  ///
  /// - Throws: ``Failure/Code/unsupported`` naming --systemd-cgroup when there is none.
  static func connect(
    _ address: SystemdAddress, milliseconds: UInt64 = patience
  ) throws(Failure) -> SystemdManager {
    var failures: [String] = []
    for candidate in address.candidates {
      do throws(Failure) {
        return SystemdManager(try DBusConnection(candidate, milliseconds: milliseconds))
      } catch {
        failures.append(
          error.object.isEmpty || error.object == candidate.path
            ? error.description : "\(candidate.path): \(error)")
      }
    }
    throw unreachable(failures.joined(separator: ", "))
  }

  private static func unreachable(_ reason: String) -> Failure {
    Failure(
      .unsupported, "use", "--systemd-cgroup", reason: "no systemd can be reached: \(reason)",
      remedy: "choose the cgroupfs driver in the engine where systemd does not run")
  }

  // A bus without systemd on it has its own names for that.
  private mutating func call(
    _ member: String, _ body: [DBusValue]
  ) throws(Failure) -> Result<[DBusValue], DBusConnection.Refusal> {
    let result = try bus.call(
      SystemdManager.service, SystemdManager.path, SystemdManager.interface, member, body)
    if case .failure(let refusal) = result,
      [
        "org.freedesktop.DBus.Error.ServiceUnknown", "org.freedesktop.DBus.Error.NameHasNoOwner",
        "org.freedesktop.DBus.Error.NoReply",
      ].contains(refusal.name) || refusal.name.hasPrefix("org.freedesktop.DBus.Error.Spawn.")
    {
      throw SystemdManager.unreachable(refusal.description)
    }
    return result
  }

  /// The version, such as 252; 0 when it does not tell.
  mutating func version() throws(Failure) -> Int {
    let result = try bus.call(
      SystemdManager.service, SystemdManager.path, SystemdManager.properties, "Get",
      [.string(SystemdManager.interface), .string("Version")])
    guard case .success(let values) = result, let text = values.first?.text else { return 0 }
    // "252.39-1~deb12u1", "v239", "systemd 247".
    let digits = text.drop { !$0.isNumber }.prefix { $0.isNumber }
    return Int(digits) ?? 0
  }

  /// Starts a scope and waits until it is there.
  ///
  /// - Returns: its group, below the root of every hierarchy.
  /// - Throws: ``Failure/Code/exists`` when there is a unit of that name; why systemd refuses it, or how its
  ///   job ended.
  mutating func start(
    _ unit: String, _ properties: SystemdProperties
  ) throws(Failure) -> String {
    try watchJobs()
    var result = try startTransient(unit, properties)
    if case .failure(let refusal) = result, refusal.name == SystemdManager.service + ".UnitExists" {
      // One that has failed is there until somebody has taken note of it.
      _ = try call("ResetFailedUnit", [.string(unit)])
      result = try startTransient(unit, properties)
    }
    switch result {
    case .failure(let refusal):
      let isThere = refusal.name == SystemdManager.service + ".UnitExists"
      throw Failure(
        isThere ? .exists : .refused, "start unit", unit, reason: "systemd: \(refusal.description)")
    case .success(let values):
      let outcome = try wait(for: values)
      guard outcome == "done" else {
        _ = try call("ResetFailedUnit", [.string(unit)])
        throw Failure(
          .refused, "start unit", unit, reason: "systemd's job ended with \"\(outcome)\"",
          remedy: "systemctl status \(unit), or the journal, may tell why")
      }
    }
    return try group(of: unit)
  }

  private mutating func startTransient(
    _ unit: String, _ properties: SystemdProperties
  ) throws(Failure) -> Result<[DBusValue], DBusConnection.Refusal> {
    try call(
      "StartTransientUnit",
      [.string(unit), .string("replace"), properties.argument, .array("(sa(sv))", [])])
  }

  private mutating func watchJobs() throws(Failure) {
    try bus.subscribe(
      "type='signal',sender='\(SystemdManager.service)',path='\(SystemdManager.path)',"
        + "interface='\(SystemdManager.interface)',member='JobRemoved'")
    // Who has subscribed before is told so, and hears just as well.
    _ = try call("Subscribe", [])
  }

  // JobRemoved(id, job, unit, result).
  private mutating func wait(for answer: [DBusValue]) throws(Failure) -> String {
    guard case .objectPath(let job)? = answer.first else {
      throw DBusReader.damaged("the answer names no job")
    }
    let values = try bus.signal(SystemdManager.interface, "JobRemoved") { values in
      values.count == 4 && values[1] == .objectPath(job)
    }
    return values[3].text ?? ""
  }

  private mutating func group(of unit: String) throws(Failure) -> String {
    let values = try bus.checked(
      SystemdManager.service, SystemdUnit.objectPath(of: unit), SystemdManager.properties, "Get",
      [.string(SystemdManager.service + ".Scope"), .string("ControlGroup")])
    guard let group = values.first?.text, group.hasPrefix("/"), group.count > 1 else {
      throw Failure(.corrupt, "start unit", unit, reason: "systemd names no cgroup for it")
    }
    do throws(Failure) { try Cgroup.validate(path: group) } catch {
      throw error.during("start unit", unit)
    }
    return group
  }

  /// Changes properties of a unit until it ends.
  mutating func set(_ unit: String, _ properties: SystemdProperties) throws(Failure) {
    let result = try call(
      "SetUnitProperties", [.string(unit), .bool(true), properties.argument])
    if case .failure(let refusal) = result {
      throw Failure(.refused, "change unit", unit, reason: "systemd: \(refusal.description)")
    }
  }

  /// Moves a process of the caller's into a unit's group, or into one below it.
  mutating func attach(_ pid: Int32, to unit: String, below path: String) throws(Failure) {
    let result = try call(
      "AttachProcessesToUnit",
      [.string(unit), .string(path), .array("u", [.uint32(UInt32(bitPattern: pid))])])
    if case .failure(let refusal) = result {
      throw Failure(
        .refused, "enter unit", unit, reason: "systemd: \(refusal.description)")
    }
  }

  /// Ends a unit and has it forgotten; one that is gone already is none.
  mutating func stop(_ unit: String) throws(Failure) {
    try watchJobs()
    switch try call("StopUnit", [.string(unit), .string("replace")]) {
    case .success(let values): _ = try wait(for: values)
    case .failure(let refusal):
      guard refusal.name != SystemdManager.service + ".NoSuchUnit" else { return }
      throw Failure(.refused, "stop unit", unit, reason: "systemd: \(refusal.description)")
    }
    _ = try call("ResetFailedUnit", [.string(unit)])
  }
}
