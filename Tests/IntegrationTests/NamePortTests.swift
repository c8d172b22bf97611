import Linux
import TestSupport
import Testing

/// Port 53 is a container's own, though its name server answers there at 127.0.0.11.
@Suite(
  .enabled(if: MinidockFixture.isAvailable, MinidockFixture.requirement),
  .enabled(if: hasProgram("python3"), "needs python3"))
struct NamePortTests {
  let fixture: MinidockFixture

  init() throws {
    fixture = try MinidockFixture("port53")
    try fixture.succeed("network", "create", "--ipv6", "web")
    try fixture.succeed(
      "run", "-d", "--name", "other", "--network", "web", "busybox", "sleep", "1000")
  }

  private func python(_ program: String) throws -> CommandResult {
    try fixture.minidock(
      ["run", "--rm", "--network", "web"] + MinidockFixture.hostPrograms
        + ["busybox", "/usr/bin/python3", "-c", program])
  }

  private static let ask = """
    import socket, struct
    def question(name):
        parts = b"".join(bytes([len(p)]) + p for p in name.split(b".")) + bytes(1)
        return struct.pack(">6H", 7, 0x100, 1, 0, 0, 0) + parts + struct.pack(">2H", 1, 1)
    def code(answer): return answer[3] & 15, struct.unpack(">H", answer[6:8])[0]
    def udp(name, connected):
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.settimeout(20)
        if connected:
            s.connect(("127.0.0.11", 53))
            s.send(question(name))
        else:
            s.sendto(question(name), ("127.0.0.11", 53))
        data, peer = s.recvfrom(4096)
        return code(data), peer
    def tcp(name):
        s = socket.create_connection(("127.0.0.11", 53), timeout=20)
        message = question(name)
        s.sendall(struct.pack(">H", len(message)) + message)
        return code(s.recv(4096)[2:]), s.getpeername()

    """

  @Test func aContainerHasPort53AtAllAddressesAndAsksForNamesAsEver() throws {
    let result = try python(
      Self.ask + """
        for family, address in ((socket.AF_INET6, "::"), (socket.AF_INET, "0.0.0.0")):
            for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                s = socket.socket(family, kind)
                s.bind((address, 53))
                if kind == socket.SOCK_STREAM: s.listen()
                right = udp(b"other", True), udp(b"other", False), tcp(b"other")
                print(all(r == ((0, 1), ("127.0.0.11", 53)) for r in right), socket.gethostbyname("other") != "")
                s.close()
        """)
    #expect(result.output == String(repeating: "True True\n", count: 4), "\(result)")
    try fixture.succeed("rm", "-f", "other")
    try fixture.succeed("network", "rm", "web")
    try fixture.expectNoLeaks()
  }

  // What a server of the container's own at port 53 hears is not what was asked at 127.0.0.11.
  @Test func bothNameServersHearTheirOwnQuestions() throws {
    let result = try python(
      Self.ask + """
        own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        own.bind(("0.0.0.0", 53))
        own.settimeout(20)
        client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        client.settimeout(20)
        client.connect(("127.0.0.1", 53))
        client.send(b"hello")
        data, peer = own.recvfrom(100)
        own.sendto(data + b" yourself", peer)
        print(client.recv(100).decode(), udp(b"other", True)[0])
        own.setblocking(False)
        try: print(own.recv(100))
        except BlockingIOError: print("nothing more")
        """)
    #expect(result.output == "hello yourself (0, 1)\nnothing more\n", "\(result)")
    try fixture.succeed("rm", "-f", "other")
    try fixture.expectNoLeaks()
  }
}
