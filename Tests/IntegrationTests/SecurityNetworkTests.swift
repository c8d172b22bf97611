import Glibc
import Linux
import TestSupport
import Testing

/// Sockets that a container in the host's network could reach.
@Suite(
  .enabled(if: MinidockFixture.isAvailable, MinidockFixture.requirement),
  .enabled(if: hasProgram("python3"), "needs python3"))
struct SecurityNetworkTests {
  let fixture: MinidockFixture

  init() throws { fixture = try MinidockFixture("sockets") }

  @Test func sec31_CVE_2020_15257_noAbstractSocketLeadsToAMonitor() throws {
    let name = "md-control-" + randomHex(bytes: 6)
    let control = try BackgroundProcess([
      "python3", "-c",
      """
      import socket, time
      s = socket.socket(socket.AF_UNIX); s.bind("\\0\(name)"); s.listen()
      print("ready", flush=True); time.sleep(600)
      """,
    ])
    try #require(try control.wait(untilOutput: { $0.contains("ready") }, timeoutSeconds: 60))
    try fixture.succeed("network", "create", "front")
    try fixture.succeed(
      "run", "-d", "--name", "box", "--network", "front", "-p", "80", "busybox", "sleep", "1000")
    let attached = try fixture.start("attach", "box")
    let listed = try fixture.succeed(
      "run", "--rm", "--network", "host", "busybox", "cat", "/proc/net/unix")
    // Control: abstract sockets are seen, and could be connected to, from the host's network.
    #expect(listed.contains("@" + name))
    var abstract: [String: String] = [:]
    for line in listed.lines {
      let words = line.split(separator: " ").map(String.init)
      if words.count == 8, words[7].hasPrefix("@") { abstract["socket:[\(words[6])]"] = words[7] }
    }
    let processes = fixture.processes()
    #expect(processes.contains(try fixture.monitor(of: "box")))
    for pid in processes {
      for number in (try? Files.list("/proc/\(pid)/fd")) ?? [] {
        let target = SymbolicLinks.read("/proc/\(pid)/fd/\(number)") ?? ""
        #expect(abstract[target] == nil, "process \(pid): \(abstract[target] ?? "")")
      }
    }
    // Those with a path are root's alone.
    let found = try TestSupport.run(
      ["find", fixture.runRoot, "-type", "s", "-perm", "/077", "-printf", "%p %m\\n"])
    #expect(found.output == "" && found.status == 0, "\(found.output)\(found.errors)")
    let nobody = try TestSupport.run([
      "setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "ls", fixture.runRoot,
    ])
    #expect(nobody.status != 0 && nobody.output == "")
    attached.signal(SIGKILL)
    try fixture.succeed("rm", "-f", "box")
    try fixture.expectNoLeaks()
  }
}
