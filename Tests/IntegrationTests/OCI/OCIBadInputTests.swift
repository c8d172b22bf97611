import Glibc
import Linux
import TestSupport
import Testing

/// Bundles that make no sense are refused before anything is made, by the path in config.json.
@Suite(.enabled(if: MinidockFixture.isAvailable, MinidockFixture.requirement))
struct OCIBadInputTests {
  let fixture: OCIFixture

  init() throws { fixture = try OCIFixture("bad") }

  @Test(arguments: [
    ("ociVersion", "3", "ociVersion: a number stands where a text is expected"),
    ("ociVersion", #""2.0.0""#, "ociVersion: version 2.0.0 is not known"),
    ("ociVersion", #""one""#, "ociVersion: \"one\" is no version"),
    ("root", #"{"path":""}"#, "root.path: it is missing"),
    ("root", #"{"path":"../../etc"}"#, "root.path: \"../../etc\" leads out of the bundle"),
    ("root", #"{"path":"a/../../etc"}"#, "root.path: \"a/../../etc\" leads out of the bundle"),
    ("root", #"{"path":"/absent"}"#, "root.path: stat /absent: no such file"),
    ("root", #"{"path":"/etc/passwd"}"#, "root.path: /etc/passwd is not a directory"),
    ("process", "null", "process: it is missing"),
    ("process.args", "[]", "process.args: it names no command"),
    ("process.args", #"["a",3]"#, "process.args[1]: a number stands where a text is expected"),
    ("process.cwd", #""tmp""#, "process.cwd: \"tmp\" is not an absolute path"),
    ("process.user", #"{"uid":-1}"#, "process.user.uid: -1 is not between"),
    ("process.user", #"{"uid":1.5}"#, "process.user.uid: 1.5 is not a whole number"),
    ("process.rlimits", #"[{"type":"RLIMIT_FLY","hard":1,"soft":1}]"#, "process.rlimits[0].type"),
    ("process.rlimits", #"[{"type":"RLIMIT_CPU","hard":1,"soft":2}]"#, "process.rlimits[0]"),
    ("process.oomScoreAdj", "2000", "process.oomScoreAdj"),
    ("process.capabilities", #"{"bounding":[5]}"#, "process.capabilities"),
    ("hostname", #""\#(String(repeating: "h", count: 65))""#, "hostname: it has more than 64"),
    ("mounts", #"[{"destination":"data","type":"tmpfs"}]"#, "mounts[0].destination"),
    ("mounts", #"[{"destination":"/data"}]"#, "mounts[0].type: it is missing"),
    ("mounts", #"[{"destination":"/data","type":"bind"}]"#, "mounts[0].source: it is missing"),
    (
      "mounts", #"[{"destination":"/data","type":"bind","source":"../x"}]"#,
      "mounts[0].source: \"../x\" leads out of the bundle"
    ),
    ("hooks", #"{"poststop":[{"path":"bin/sh"}]}"#, "hooks.poststop[0].path: it is not absolute"),
    ("hooks", #"{"prestart":[{"path":"/x","timeout":0}]}"#, "hooks.prestart[0].timeout"),
    (
      "linux.namespaces", #"[{"type":"mount"},{"type":"uts"},{"type":"uts"}]"#,
      "linux.namespaces[2].type: uts is given twice"
    ),
    ("linux.cgroupsPath", #""../x""#, "linux.cgroupsPath"),
    ("linux.resources", #"{"memory":{"limit":"1"}}"#, "linux.resources.memory.limit"),
    ("linux.resources", #"{"memory":{"limit":-5}}"#, "linux.resources"),
    ("linux.resources", #"{"devices":[{"allow":true,"type":"z"}]}"#, "linux.resources"),
    ("linux.seccomp", #"{"syscalls":[]}"#, "linux.seccomp.defaultAction: it is missing"),
    (
      "linux.seccomp",
      #"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["kill"],"action":"SCMP_ACT_LOG","#
        + #""args":[{"index":9,"value":1,"op":"SCMP_CMP_EQ"}]}]}"#,
      "linux.seccomp"
    ),
  ])
  func `a field is refused by its name`(path: String, value: String, reason: String) throws {
    try fixture.expectRefused(reason) { try $0.set(path, value) }
  }

  @Test func `a document that is none is refused, wherever it breaks off`() throws {
    let path = try fixture.bundle("broken", ["true"])
    let id = fixture.id("broken")
    let whole = Array((Files.text(path + "/config.json") ?? "").utf8)
    func refuse(_ bytes: [UInt8], _ reason: String) throws {
      try Files.replace(path + "/config.json", with: bytes, mode: 0o644)
      fixture.expectFailure(try fixture.oci("create", "--bundle", path, id), reason)
    }
    // Every place is tried where the reader itself is tested.
    for count in stride(from: 0, to: whole.count, by: 97) {
      try refuse(Array(whole[..<count]), "the document ends early")
    }
    try refuse(whole + [0x7d], "there is something behind the document")
    try refuse(Array(#"{"ociVersion":"1.0.0","ociVersion":"1.0.0"}"#.utf8), "ociVersion")
    try refuse([0x22, 0xff, 0x22], "UTF-8")
    try refuse(Array(String(repeating: "[", count: 100).utf8), "nested more than 64 deep")
    unlink(path + "/config.json")
    fixture.expectFailure(
      try fixture.oci("create", "--bundle", path, id), "config.json: no such file")
    fixture.expectFailure(
      try fixture.oci("create", "--bundle", "/absent", id), "/absent/config.json")
    #expect(!Files.exists(fixture.root) || fixture.leftovers(id) == [])
  }

  @Test func `what fails late leaves nothing either`() throws {
    for (change, reason) in [
      ({ try $0.set("process.cwd", #""/etc/passwd/x""#) }, "use process.cwd: /etc/passwd/x: "),
      ({ try $0.set("linux.sysctl", #"{"net.absent.key":"1"}"#) }, "net.absent.key"),
      (
        { try $0.set("linux.resources", #"{"hugepageLimits":[{"pageSize":"3MB","limit":1}]}"#) },
        "linux.resources"
      ),
      ({ try $0.set("linux.resources", #"{"cpu":{"cpus":"4000-4001"}}"#) }, "linux.resources"),
      (
        { try $0.append("mounts", #"{"destination":"/etc/passwd","type":"tmpfs","source":"x"}"#) },
        "/etc/passwd"
      ),
    ] as [((inout OCIConfig) throws -> Void, String)] {
      try fixture.expectRefused(reason, change)
    }
  }
}
