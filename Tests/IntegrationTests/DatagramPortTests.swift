import Linux
import TestSupport
import Testing

/// Published UDP ports, by the host's addresses and by [::1], where the container's monitor passes datagrams
/// on.
@Suite(
  .enabled(if: MinidockFixture.isAvailable, MinidockFixture.requirement),
  .enabled(if: hasProgram("python3"), "needs python3"))
struct DatagramPortTests {
  let fixture: MinidockFixture

  init() throws {
    fixture = try MinidockFixture("udp")
    try fixture.succeed("network", "create", "--ipv6", "dual")
  }

  // The host's Python answers in the container, with who asked and what.
  private func serve(_ network: String, family: String, at address: String) throws -> String {
    let program = """
      import socket
      s = socket.socket(socket.\(family), socket.SOCK_DGRAM)
      s.bind(("\(address)", 53))
      print("ready", flush=True)
      while True:
          data, peer = s.recvfrom(65535)
          if data == b"who": data = peer[0].encode()
          s.sendto(data, peer)
      """
    try fixture.succeed(
      ["run", "-d", "--name", "echo", "--network", network, "-p", "53/udp"]
        + MinidockFixture.hostPrograms + [
          "busybox", "/usr/bin/python3", "-c", program,
        ])
    try fixture.eventually("it listens", seconds: 60) {
      try fixture.minidock("logs", "echo").output == "ready\n"
    }
    let line = try fixture.succeed("port", "echo", "53/udp").lines[0]
    return line.split(separator: ":").last.map(String.init) ?? line
  }

  private func ask(_ host: String, _ port: String, _ program: String) throws -> String {
    let result = try TestSupport.run(
      [
        "python3", "-c",
        """
        import os, socket, sys
        host, port = sys.argv[1], int(sys.argv[2])
        def ask(data, s=None):
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            s = s or socket.socket(family, socket.SOCK_DGRAM)
            s.settimeout(20)
            s.connect((host, port))
            s.send(data)
            return s.recv(65535)
        \(program)
        """, host, port,
      ], timeoutSeconds: 120)
    return result.output + result.errors
  }

  @Test(arguments: [
    ("bridge", "AF_INET", "0.0.0.0"), ("dual", "AF_INET6", "::"), ("dual", "AF_INET", "0.0.0.0"),
  ])
  func aPublishedUDPPortAnswersByEitherLoopbackAddress(
    _ network: String, _ family: String, _ address: String
  ) throws {
    let port = try serve(network, family: family, at: address)
    let gateways = try fixture.succeed(
      "inspect", "-f",
      "{{range .NetworkSettings.Networks}}{{.Gateway}} {{.IPv6Gateway}}{{end}}", "echo"
    ).trimmingLineFeeds.split(separator: " ").map(String.init)
    for host in ["127.0.0.1", "::1"] {
      #expect(try ask(host, port, "print(ask(b'hello').decode())") == "hello\n", "\(host)")
      // The bridge's own address, as there is no way back to a loopback one.
      let who = try ask(host, port, "print(ask(b'who').decode())").trimmingLineFeeds
      #expect(gateways.contains(who.replacing("::ffff:", with: "")), "\(host): \(who)")
    }
    try fixture.succeed("rm", "-f", "echo")
    try fixture.expectNoLeaks()
  }

  @Test func eachSenderHearsItsOwnAnswersOfAnySize() throws {
    let port = try serve("bridge", family: "AF_INET", at: "0.0.0.0")
    // More senders than the monitor keeps in mind, each of which asks twice; and an empty datagram.
    let answer = try ask(
      "::1", port,
      """
      senders = [socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) for _ in range(300)]
      right = 0
      for turn in range(2):
          for number, s in enumerate(senders):
              right += ask(b"%d %d" % (turn, number), s) == b"%d %d" % (turn, number)
      for size in [0, 1, 1400, 9000, 60000]:
          data = os.urandom(size)
          right += ask(data) == data
      print(right)
      """)
    #expect(answer == "605\n", "\(answer)")
    try fixture.succeed("rm", "-f", "echo")
    try fixture.expectNoLeaks()
  }

  @Test func thePortIsHeldInBothFamilies() throws {
    let port = try serve("bridge", family: "AF_INET", at: "0.0.0.0")
    for (family, address) in [("AF_INET", "127.0.0.1"), ("AF_INET6", "::1")] {
      let result = try TestSupport.run([
        "python3", "-c",
        """
        import socket, sys
        s = socket.socket(socket.\(family), socket.SOCK_DGRAM)
        try: s.bind(("\(address)", int(sys.argv[1])))
        except OSError as error: print(error.strerror)
        """, port,
      ])
      #expect(result.output == "Address already in use\n", "\(address): \(result)")
    }
    try fixture.succeed("rm", "-f", "echo")
    try fixture.expectNoLeaks()
  }
}
