import Linux
import TestSupport
import Testing

/// Published ports at the host's own [::1], where `localhost` leads first: no packet rule reaches that
/// far, the container's monitor passes the connection on.
@Suite(
  .enabled(if: MinidockFixture.isAvailable, MinidockFixture.requirement),
  .enabled(if: hasProgram("curl") && hasProgram("python3"), "needs curl and python3"))
struct LoopbackPortTests {
  let fixture: MinidockFixture

  init() throws { fixture = try MinidockFixture("local") }

  private func page(_ host: String, _ port: String) throws -> String {
    let result = try TestSupport.run(
      ["curl", "-sS", "-g", "--max-time", "60", "http://\(host):\(port)/"])
    return result.output + result.errors
  }

  private func port(of name: String) throws -> String {
    let line = try fixture.succeed("port", name, "80").lines[0]
    return line.split(separator: ":").last.map(String.init) ?? line
  }

  private func serve(_ name: String, _ flags: [String] = []) throws -> String {
    try fixture.succeed(
      ["run", "-d", "--name", name] + flags + [
        "-p", "80", "busybox", "sh", "-c",
        "mkdir /www; echo page > /www/index.html; exec httpd -f -p 80 -h /www",
      ])
    let port = try port(of: name)
    try fixture.eventually("\(name) answers", seconds: 60) {
      try page("127.0.0.1", port) == "page\n"
    }
    return port
  }

  @Test(arguments: ["bridge", "dual"])
  func aPublishedPortIsReachedByLocalhostInEitherFamilyAlsoAfterARestart(
    _ network: String
  ) throws {
    try fixture.succeed("network", "create", "--ipv6", "dual")
    _ = try serve("web", ["--network", network])
    for _ in 0..<2 {
      let port = try port(of: "web")
      try fixture.eventually("it answers", seconds: 60) { try page("127.0.0.1", port) == "page\n" }
      for host in ["[::1]", "localhost", "127.0.0.1"] {
        #expect(try page(host, port) == "page\n", "\(network) \(host)")
      }
      try fixture.succeed("restart", "-t", "0", "web")
    }
    try fixture.succeed("rm", "-f", "web")
    try fixture.expectNoLeaks()
  }

  @Test func muchIsPassedOnBothWaysAndTheEndOfOneSideLeavesTheOther() throws {
    try fixture.succeed(
      "run", "-d", "--name", "echo", "-p", "80", "busybox", "nc", "-ll", "-p", "80", "-e", "cat")
    let port = try port(of: "echo")
    // All is sent before anything is read: buffers in between fill up, and nothing is lost.
    let program = """
      import os, socket, sys, threading, time
      whole = []
      def one(number):
          data = os.urandom(3 << 20)
          for attempt in range(600):
              try:
                  s = socket.create_connection(("::1", int(sys.argv[1])), timeout=60)
                  sender = threading.Thread(
                      target=lambda s=s: (s.sendall(data), s.shutdown(socket.SHUT_WR)))
                  sender.start()
                  back = b""
                  while chunk := s.recv(1 << 16): back += chunk
                  sender.join()
                  break
              except ConnectionError:
                  time.sleep(0.1)
          whole.append(back == data)
      threads = [threading.Thread(target=one, args=(n,)) for n in range(8)]
      for t in threads: t.start()
      for t in threads: t.join()
      print(whole.count(True))
      """
    let result = try TestSupport.run(["python3", "-c", program, port], timeoutSeconds: 300)
    #expect(result.output == "8\n", "\(result)")
    try fixture.succeed("rm", "-f", "echo")
    try fixture.expectNoLeaks()
  }

  @Test func nobodyIsLeftWaitingWhereNothingListensOrTheContainerEnds() throws {
    try fixture.succeed("run", "-d", "--name", "box", "-p", "80", "busybox", "sleep", "1000")
    let refused = try port(of: "box")
    for host in ["[::1]", "127.0.0.1"] {
      let answer = try page(host, refused)
      #expect(answer.contains("reset") || answer.contains("connect to"), "\(answer)")
    }
    // A connection that is open when its container ends is over, too.
    try fixture.succeed(
      "run", "-d", "--name", "silent", "-p", "80", "busybox", "nc", "-ll", "-p", "80", "-e",
      "sh", "-c", "echo open; sleep 1000")
    let port = try port(of: "silent")
    let program = """
      import socket, sys, time
      for attempt in range(600):
          try:
              s = socket.create_connection(("::1", int(sys.argv[1])), timeout=120)
              if s.recv(5): break
          except ConnectionError: pass
          time.sleep(0.1)
      print("open", flush=True)
      try:
          print("over", s.recv(1))
      except ConnectionError:
          print("over")
      """
    let client = try BackgroundProcess(["python3", "-c", program, port])
    #expect(try client.wait(untilOutput: { $0.contains("open") }, timeoutSeconds: 120))
    try fixture.succeed("rm", "-f", "silent")
    #expect(try client.wait(untilOutput: { $0.contains("over") }, timeoutSeconds: 120))
    try fixture.succeed("rm", "-f", "box")
    try fixture.expectNoLeaks()
  }

  @Test func withoutItsPacketRulesAPortResetsItsClientsAndSwallowsNone() throws {
    let port = try serve("web")
    let deleted = try TestSupport.run(["nft", "delete", "table", "inet", fixture.table])
    try #require(deleted.status == 0, "\(deleted.errors)")
    let broken = try page("127.0.0.1", port)
    #expect(broken.hasPrefix("curl: ") && !broken.contains("timed out"), "\(broken)")
    // Any command heals them.
    #expect(try fixture.minidock("ps").errors.contains("restored them"))
    #expect(try page("127.0.0.1", port) == "page\n")
    try fixture.succeed("rm", "-f", "web")
    try fixture.expectNoLeaks()
  }

  @Test func aPortThatIsTakenAtTheLoopbackAddressAloneIsRefused() throws {
    let holder = try BackgroundProcess([
      "python3", "-c",
      """
      import socket, time
      s = socket.socket(socket.AF_INET6); s.bind(("::1", 0)); s.listen()
      print(s.getsockname()[1], flush=True); time.sleep(600)
      """,
    ])
    try #require(try holder.wait(untilOutput: { $0.contains("\n") }, timeoutSeconds: 60))
    let port = holder.output.trimmingLineFeeds
    let taken = try fixture.minidock("run", "--rm", "-p", "\(port):80", "busybox", "true")
    #expect(taken.errors.contains("process \(holder.pid) (python3) has it"), "\(taken.errors)")
    // On another address it is nobody's.
    let other = try fixture.minidock(
      "run", "--rm", "-p", "127.0.0.1:\(port):80", "busybox", "true")
    #expect(other.status == 0, "\(other.errors)")
    try fixture.expectNoLeaks()
  }
}
