import Glibc
import Linux
import TestSupport
import Testing

/// The five sets of capabilities, as the command's /proc/self/status has them.
@Suite(.enabled(if: MinidockFixture.isAvailable, MinidockFixture.requirement))
struct OCICapabilityTests {
  let fixture: OCIFixture
  private static let script = "grep -E '^Cap(Inh|Prm|Eff|Bnd|Amb)' /proc/self/status"

  init() throws { fixture = try OCIFixture("capabilities") }

  /// Inheritable, permitted, effective, bounding and ambient set, and what was said.
  private func sets(
    user: Int = 0, _ sets: [String: [String]], _ change: (inout OCIConfig) throws -> Void = { _ in }
  ) throws -> (masks: [UInt64], errors: String) {
    let result = try fixture.run(OCICapabilityTests.script) {
      let members = sets.map { (key: $0.key, value: JSONValue.strings($0.value)) }
      try $0.set("process.capabilities", JSONValue.object(members).compact)
      try $0.set("process.user", #"{"uid":\#(user),"gid":\#(user)}"#)
      try change(&$0)
    }
    #expect(result.status == 0, "\(result)")
    let masks = result.output.split(separator: "\n").compactMap {
      UInt64($0.split(separator: "\t").last ?? "", radix: 16)
    }
    return (masks, result.errors)
  }

  private let chown: UInt64 = 1 << 0
  private let kill: UInt64 = 1 << 5
  private let setuid: UInt64 = 1 << 7
  private let five = [
    "bounding": ["CAP_CHOWN", "CAP_KILL", "CAP_SETUID"], "permitted": ["CAP_CHOWN", "CAP_KILL"],
    "effective": ["CAP_CHOWN"], "inheritable": ["CAP_CHOWN", "CAP_KILL"],
    "ambient": ["CAP_CHOWN"],
  ]

  @Test func `sets of a user are those of the specification after the exec`() throws {
    // An exec without file capabilities leaves a user the ambient ones (capabilities(7)).
    let found = try sets(user: 1000, five)
    #expect(found.masks == [chown | kill, chown, chown, chown | kill | setuid, chown])
    #expect(found.errors == "")
    let none = try sets(
      user: 1000,
      ["bounding": ["CAP_CHOWN"], "permitted": ["CAP_CHOWN"], "effective": ["CAP_CHOWN"]])
    #expect(none.masks == [0, 0, 0, chown, 0])
  }

  @Test func `an exec as root gives what is bounding`() throws {
    let found = try sets(five)
    let bounding = chown | kill | setuid
    #expect(found.masks == [chown | kill, bounding, bounding, bounding, chown])
  }

  private func status(of pid: Int32) -> [UInt64] {
    (Files.text("/proc/\(pid)/status") ?? "").split(separator: "\n")
      .filter { $0.hasPrefix("Cap") }
      .compactMap { UInt64($0.split(separator: "\t").last ?? "", radix: 16) }
  }

  @Test func `before the exec the sets are exactly the specification's`() throws {
    // Between create and start the first process has given all away already.
    for user in [0, 1000] {
      let id = try fixture.create("waiting\(user)") { config in
        let members = five.map { (key: $0.key, value: JSONValue.strings($0.value)) }
        try config.set("process.capabilities", JSONValue.object(members).compact)
        try config.set("process.user", #"{"uid":\#(user),"gid":\#(user)}"#)
      }
      #expect(
        try status(of: fixture.pid(id)) == [
          chown | kill, chown | kill, chown, chown | kill | setuid, chown,
        ])
    }
  }

  @Test func `without any a process has none`() throws {
    #expect(try sets([:]).masks == [0, 0, 0, 0, 0])
    try fixture.expect(OCICapabilityTests.script + " | grep -c 0000000000000000", prints: "5\n") {
      try $0.remove("process.capabilities")
    }
  }

  @Test func `in a user namespace too`() throws {
    let found = try sets(user: 1000, five) { try $0.mapUsers() }
    #expect(found.masks == [chown | kill, chown, chown, chown | kill | setuid, chown])
  }

  @Test func `one that does not exist is left out with a warning`() throws {
    for name in ["CAP_FUTURE", "CAP_", "chown2"] {
      let found = try sets(
        user: 1000, five.mapValues { $0 + [name] })
      #expect(found.masks == [chown | kill, chown, chown, chown | kill | setuid, chown])
      let lines = found.errors.split(separator: "\n")
      #expect(lines.count == 5, "\(found.errors)")
      for set in five.keys {
        let text =
          "warning: process.capabilities.\(set): not granted, there is no such capability: \(name)"
        #expect(lines.contains { $0.hasSuffix(text) }, "\(found.errors)")
      }
    }
    // Of a further process as well, by option and by document.
    let id = try fixture.running("exec")
    let result = try fixture.oci(
      "exec", "--cap", "CAP_FUTURE", id, "sh", "-c", "grep CapBnd /proc/self/status")
    #expect(result.output == "CapBnd:\t00000000000000eb\n", "\(result)")
    #expect(result.errors.contains("there is no such capability: CAP_FUTURE"))
  }

  @Test func `one that another set forbids is left out with a warning`() throws {
    let found = try sets(
      user: 1000,
      [
        "bounding": ["CAP_CHOWN"], "permitted": ["CAP_CHOWN"],
        "effective": ["CAP_CHOWN", "CAP_KILL"], "inheritable": ["CAP_CHOWN", "CAP_SETUID"],
        "ambient": ["CAP_CHOWN", "CAP_SETUID"],
      ])
    #expect(found.masks == [chown, chown, chown, chown, chown])
    for text in [
      "capabilities.effective: without CAP_KILL, not permitted",
      "capabilities.inheritable: without CAP_SETUID, not bounding",
      "capabilities.ambient: without CAP_SETUID, not permitted and inheritable",
    ] {
      #expect(found.errors.contains(text), "\(found.errors)")
    }
  }
}
