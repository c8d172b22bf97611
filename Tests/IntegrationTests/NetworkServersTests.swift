import Linux
import TestSupport
import Testing

/// The documentation's two worked examples, with real servers and clients.
@Suite(
  .enabled(if: MinidockFixture.isAvailable, MinidockFixture.requirement),
  .enabled(if: ServerImage.isAvailable, ServerImage.requirement))
struct NetworkServersTests {
  let fixture: MinidockFixture

  init() throws {
    fixture = try MinidockFixture("servers")
    let made = try fixture.shell(ServerImage.script, fixture.file("tree"))
    try #require(made.status == 0, "\(made.errors)")
  }

  private func output(_ words: String...) throws -> String {
    let result = try fixture.minidock(words)
    return result.output + result.errors
  }

  // A server is there a moment after its container is.
  private func eventually(_ words: String..., gives expected: String) throws {
    try fixture.eventually("\(words) gives \(expected)", seconds: 60) {
      try fixture.minidock(words).output.contains(expected)
    }
  }

  @Test func aWebServerReachesItsDatabaseByNameAndNobodyElseDoes() throws {
    try fixture.succeed("network", "create", "front")
    try fixture.succeed("network", "create", "--internal", "back")
    try fixture.succeed(
      ["run", "-d", "--name", "db", "--network", "back", "--network-alias", "database"]
        + ServerImage.database)
    try fixture.succeed(
      ["run", "-d", "--name", "web", "--network", "front", "--network", "back", "-p", "80"]
        + ServerImage.web)
    try eventually("exec", "web", "redis-cli", "-h", "database", "ping", gives: "PONG")
    #expect(try output("exec", "web", "redis-cli", "-h", "db", "set", "key", "value") == "OK\n")
    #expect(try output("exec", "web", "redis-cli", "-h", "db.back", "get", "key") == "value\n")
    // By its published port from the host, by its name from a neighbour.
    let port = try fixture.succeed("port", "web", "80").lines[0]
    let number = port.split(separator: ":").last.map(String.init) ?? port
    try fixture.eventually("the web server answers", seconds: 60) {
      try TestSupport.run(["curl", "-sf", "http://127.0.0.1:\(number)/"]).status == 0
    }
    // Where nobody answers names that are no neighbour's: such a question is over at once.
    // (--init, as busybox's timeout becomes the command itself, and a process 1 ignores SIGTERM.)
    let client = [
      "run", "--rm", "--init", "--network", "front", "--dns", "127.0.0.1", "servers",
    ]
    let seen = try fixture.succeed(client + ["curl", "-sf", "http://web/"])
    #expect(seen.split(separator: ".").count == 4, "\(seen)")
    // The database: not by name nor by address from the other network, and with no way out.
    let refused = try fixture.minidock(
      client + ["timeout", "5", "redis-cli", "-h", "database", "ping"])
    #expect(refused.status != 0 && !refused.output.contains("PONG"))
    let address = try fixture.succeed(
      "inspect", "-f", "{{.NetworkSettings.Networks.back.IPAddress}}", "db")
    let dropped = try fixture.minidock(
      client + ["timeout", "2", "redis-cli", "-h", address, "ping"])
    #expect(dropped.status != 0 && !dropped.output.contains("PONG"))
    // Who comes while they run.
    try fixture.succeed(
      [
        "run", "-d", "--name", "late", "--network", "front", "--dns", "127.0.0.1",
      ] + ServerImage.web)
    try fixture.succeed("network", "connect", "back", "late")
    #expect(try output("exec", "late", "redis-cli", "-h", "database", "get", "key") == "value\n")
    try fixture.succeed("network", "disconnect", "back", "late")
    #expect(
      try fixture.minidock("exec", "late", "redis-cli", "-h", "database", "get", "key").status != 0)
    try fixture.succeed("rm", "-f", "web", "db", "late")
    try fixture.succeed("network", "rm", "front", "back")
    try fixture.expectNoLeaks()
  }

  @Test func aPortThatIsTakenIsRefusedWithItsOwnersPidAndName() throws {
    let holder = try BackgroundProcess([
      "python3", "-c",
      """
      import socket, time
      s = socket.socket(); s.bind(("0.0.0.0", 0)); s.listen()
      print(s.getsockname()[1], flush=True); time.sleep(600)
      """,
    ])
    try #require(try holder.wait(untilOutput: { $0.contains("\n") }, timeoutSeconds: 60))
    let port = holder.output.trimmingLineFeeds
    let taken = try fixture.minidock("run", "--rm", "-p", "\(port):80", "busybox", "true")
    #expect(taken.status == 125)
    #expect(
      taken.errors.contains("process \(holder.pid) (python3) has it")
        && taken.errors.contains(":\(port)/tcp"), "\(taken.errors)")
    try fixture.succeed(["run", "-d", "--name", "first", "-p", "0:80"] + ServerImage.web)
    let own = try fixture.succeed("port", "first", "80").lines[0]
    let number = own.split(separator: ":").last.map(String.init) ?? own
    let second = try fixture.minidock("run", "--rm", "-p", "\(number):80", "busybox", "true")
    #expect(second.errors.contains("container first has it"), "\(second.errors)")
    #expect(second.errors.trimmingLineFeeds.lines.count == 1, "\(second.errors)")
    // Of a range the first free one is taken.
    let low = Int(port) ?? 1
    if low < 65535 {
      try fixture.succeed(
        ["run", "-d", "--name", "ranged", "-p", "127.0.0.1:\(low)-\(low + 1):80"] + ServerImage.web)
      #expect(try fixture.succeed("port", "ranged") == "80/tcp -> 127.0.0.1:\(low + 1)")
      try fixture.succeed("rm", "-f", "ranged")
    }
    try fixture.succeed("rm", "-f", "first")
    try fixture.expectNoLeaks()
  }
}
