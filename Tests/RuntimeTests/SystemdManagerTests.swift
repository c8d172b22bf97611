import Linux
import Testing

@testable import Runtime

/// The exchange with systemd's manager, against a bus of the test's own: in order, refused, failed, cut off,
/// too late, and senseless.
@Suite struct SystemdManagerTests {
  private static let properties = SystemdProperties.scope(
    try! SystemdUnit(path: "system.slice:box:one", id: "one", isUser: false), id: "one", pid: 42,
    mode: .v2)

  /// Connects to a fake bus, and says what came of `body` and what was called.
  private func exchange<Value>(
    isBus: Bool = true, login: String = "DATA\r\nOK 0123\r\n", milliseconds: UInt64 = 20_000,
    answer: @escaping @Sendable (DBusMessage) -> FakeBus.Answer = { FakeSystemd.answer($0) },
    _ body: (inout SystemdManager) throws(Failure) -> Value
  ) throws -> (result: Result<Value, Failure>, bus: FakeBus, calls: [String]) {
    let (bus, stream) = try FakeBus.connect(isBus: isBus, login: login, answer)
    let result: Result<Value, Failure>
    do throws(Failure) {
      var manager = SystemdManager(
        try DBusConnection(
          try StreamConnection(
            adopting: Descriptor(owning: stream), name: "test", milliseconds: milliseconds),
          isBus: isBus))
      result = .success(try body(&manager))
      // Its end is the fake bus's.
      _ = consume manager
    } catch { result = .failure(error) }
    return (result, bus, bus.finish())
  }

  private func start(_ manager: inout SystemdManager) throws(Failure) -> String {
    try manager.start("box-one.scope", Self.properties)
  }

  private func failure<Value>(_ result: Result<Value, Failure>) -> Failure? {
    if case .failure(let failure) = result { return failure }
    return nil
  }

  @Test func `a scope is started on a bus`() throws {
    let (result, bus, calls) = try exchange { (it) throws(Failure) in try start(&it) }
    #expect(try result.get() == "/system.slice/box-one.scope")
    #expect(calls == ["Hello", "AddMatch", "Subscribe", "StartTransientUnit", "Get"])
    let request = try #require(bus.calls.first { $0.member == "StartTransientUnit" })
    #expect(request.destination == "org.freedesktop.systemd1")
    #expect(request.path == "/org/freedesktop/systemd1")
    #expect(request.body.map(\.signature) == ["s", "s", "a(sv)", "a(sa(sv))"])
    #expect(request.body[0] == .string("box-one.scope"))
    #expect(request.body[1] == .string("replace"))
    #expect(request.body[2] == Self.properties.argument)
    #expect(Self.properties["PIDs"] == .array("u", [.uint32(42)]))
    #expect(Self.properties["Slice"] == .string("system.slice"))
    #expect(Self.properties["Delegate"] == .bool(true))
    #expect(Self.properties["DefaultDependencies"] == .bool(false))
  }

  @Test func `without a bus nobody is greeted or named`() throws {
    let (result, bus, calls) = try exchange(isBus: false) { (it) throws(Failure) in try start(&it) }
    #expect(try result.get() == "/system.slice/box-one.scope")
    #expect(calls == ["Subscribe", "StartTransientUnit", "Get"])
    #expect(bus.calls.allSatisfy { $0.destination.isEmpty })
  }

  @Test func `the version is a number`() throws {
    let (result, _, _) = try exchange { (it) throws(Failure) in try it.version() }
    #expect(try result.get() == 252)
  }

  @Test func `a scope is stopped and forgotten`() throws {
    let (result, _, calls) = try exchange { (it) throws(Failure) in try it.stop("box-one.scope") }
    #expect(failure(result) == nil)
    #expect(calls == ["Hello", "AddMatch", "Subscribe", "StopUnit", "ResetFailedUnit"])
  }

  @Test func `one that is gone is stopped already`() throws {
    let (result, _, _) = try exchange(
      answer: { call in
        call.member == "StopUnit"
          ? .messages([.error(to: call, "org.freedesktop.systemd1.NoSuchUnit", "not loaded")])
          : FakeSystemd.answer(call)
      }
    ) { (it) throws(Failure) in try it.stop("box-one.scope") }
    #expect(failure(result) == nil)
  }

  @Test func `properties are changed until the unit ends`() throws {
    var changed = SystemdProperties()
    changed.set("TasksMax", .uint64(5))
    let (result, bus, _) = try exchange { (it) throws(Failure) in
      try it.set("box-one.scope", changed)
    }
    #expect(failure(result) == nil)
    let call = try #require(bus.calls.last)
    #expect(call.member == "SetUnitProperties")
    #expect(call.body == [.string("box-one.scope"), .bool(true), changed.argument])
  }

  // MARK: - Failures

  @Test func `a refusal is told in systemd's words`() throws {
    let (result, _, _) = try exchange(
      answer: { call in
        call.member == "StartTransientUnit"
          ? .messages([
            .error(to: call, "org.freedesktop.DBus.Error.InvalidArgs", "Cannot set property X")
          ]) : FakeSystemd.answer(call)
      }
    ) { (it) throws(Failure) in try start(&it) }
    let description = failure(result)?.description ?? ""
    #expect(description.contains("start unit box-one.scope"))
    #expect(description.contains("Cannot set property X"))
  }

  @Test func `a failed unit of that name makes way, a living one stays`() throws {
    let (result, _, calls) = try exchange(
      answer: { call in
        call.member == "StartTransientUnit"
          ? .messages([.error(to: call, "org.freedesktop.systemd1.UnitExists", "already loaded")])
          : FakeSystemd.answer(call)
      }
    ) { (it) throws(Failure) in try start(&it) }
    #expect(failure(result)?.code == .exists)
    #expect(
      calls.suffix(3) == ["StartTransientUnit", "ResetFailedUnit", "StartTransientUnit"])
  }

  @Test func `a job that failed is an error`() throws {
    let (result, _, calls) = try exchange(
      answer: { call in
        call.member == "StartTransientUnit"
          ? .messages([
            .reply(to: call, [.objectPath(FakeSystemd.job)]), FakeSystemd.removed("failed"),
          ]) : FakeSystemd.answer(call)
      }
    ) { (it) throws(Failure) in try start(&it) }
    #expect(failure(result)?.description.contains("\"failed\"") == true)
    #expect(calls.last == "ResetFailedUnit")
  }

  @Test(arguments: ["Hello", "AddMatch", "Subscribe", "StartTransientUnit", "Get"])
  func `a connection that is cut is an error`(member: String) throws {
    let (result, _, _) = try exchange(
      answer: { $0.member == member ? .end : FakeSystemd.answer($0) }
    ) { (it) throws(Failure) in try start(&it) }
    #expect(failure(result)?.description.contains("closed") == true)
  }

  @Test(arguments: ["Hello", "StartTransientUnit"])
  func `an answer that does not come is waited for no longer than that`(member: String) throws {
    let (result, _, _) = try exchange(
      milliseconds: 300,
      answer: { $0.member == member ? .silence : FakeSystemd.answer($0) }
    ) { (it) throws(Failure) in try start(&it) }
    #expect(failure(result)?.description.contains("in time") == true)
  }

  @Test func `a job that does not end is waited for no longer than that`() throws {
    let (result, _, _) = try exchange(
      milliseconds: 300,
      answer: { call in
        call.member == "StartTransientUnit"
          ? .messages([.reply(to: call, [.objectPath(FakeSystemd.job)])])
          : FakeSystemd.answer(call)
      }
    ) { (it) throws(Failure) in try start(&it) }
    #expect(failure(result)?.description.contains("in time") == true)
  }

  @Test func `a bus without systemd says what is missing`() throws {
    let (result, _, _) = try exchange(
      answer: { call in
        call.member == "Subscribe"
          ? .messages([
            .error(to: call, "org.freedesktop.DBus.Error.ServiceUnknown", "no such name")
          ]) : FakeSystemd.answer(call)
      }
    ) { (it) throws(Failure) in try start(&it) }
    #expect(failure(result)?.code == .unsupported)
    #expect(failure(result)?.object == "--systemd-cgroup")
  }

  @Test func `a login that is refused is an error`() throws {
    let (result, _, _) = try exchange(login: "REJECTED EXTERNAL\r\n") {
      (it) throws(Failure) in try start(&it)
    }
    #expect(failure(result)?.description.contains("REJECTED") == true)
    let (endless, _, _) = try exchange(login: String(repeating: "x", count: 100_000)) {
      (it) throws(Failure) in try start(&it)
    }
    #expect(failure(endless)?.code == .corrupt)
  }

  @Test(
    arguments: [
      [], [.string("/job/1")], [.objectPath("/none")], [.uint32(1)],
    ] as [[DBusValue]])
  func `an answer without a job that ends is an error`(body: [DBusValue]) throws {
    let (result, _, _) = try exchange(
      milliseconds: 300,
      answer: { call in
        call.member == "StartTransientUnit"
          ? .messages([.reply(to: call, body), FakeSystemd.removed("done")])
          : FakeSystemd.answer(call)
      }
    ) { (it) throws(Failure) in try start(&it) }
    #expect(failure(result) != nil)
  }

  @Test(arguments: ["", "/", "relative", "/../..", "/a/../b", "/a b"])
  func `a group that is none is refused`(group: String) throws {
    let (result, _, _) = try exchange(answer: { FakeSystemd.answer($0, group: group) }) {
      (it) throws(Failure) in try start(&it)
    }
    #expect(failure(result) != nil)
  }

  @Test func `whatever bytes come, it ends with an error`() throws {
    let good = DBusMessage.reply(
      to: .call("", "/", "", "x", [], serial: 3), [.objectPath(FakeSystemd.job)]
    ).bytes
    let huge: [UInt8] = [0x6c, 2, 0, 1, 0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0, 8, 0, 0, 0]
    for bytes in [
      huge, [UInt8](repeating: 0, count: 64), Array(good.dropLast(3)),
      Array("HTTP/1.1 400\r\n\r\n\r\n".utf8),
    ] {
      let (result, _, _) = try exchange(
        milliseconds: 300,
        answer: { $0.member == "Subscribe" ? .bytes(bytes) : FakeSystemd.answer($0) }
      ) { (it) throws(Failure) in try start(&it) }
      #expect(failure(result) != nil)
    }
  }

  @Test func `no socket anywhere names the option and what is missing`() throws {
    let address = try SystemdAddress(user: 0, isInUserNamespace: false) { name in
      name == "DBUS_SYSTEM_BUS_ADDRESS" ? "unix:path=/nowhere/socket" : nil
    }
    let failure = thrownBy { () throws(Failure) in _ = try SystemdManager.connect(address) }
    #expect(failure?.code == .unsupported)
    #expect(failure?.object == "--systemd-cgroup")
    #expect(failure?.description.contains("/nowhere") == true)
    #expect(failure?.remedy.contains("cgroupfs") == true)
  }
}
