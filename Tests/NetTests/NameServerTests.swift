import Glibc
import Linux
import TestSupport
import Testing

@testable import Net

/// A name server on the loopback address, one asker, and servers to pass questions on to.
private final class Stage {
  let folder: TemporaryDirectory
  let book: NameBook
  let server: NameServer
  let asker: InternetSocket
  let port: UInt16

  init(servers: [String]) throws {
    folder = try TemporaryDirectory()
    book = NameBook(folder: folder.path)
    let address = try #require(SocketAddress("127.0.0.1", port: 0))
    let datagrams = try InternetSocket.datagrams(at: address)
    port = Stage.port(of: datagrams.descriptor.raw)
    let here = try #require(SocketAddress("127.0.0.1", port: port))
    let listener = try InternetSocket.listening(at: here)
    asker = try InternetSocket.datagrams(to: here)
    server = NameServer(
      owner: "me", book: book, servers: servers,
      sockets: NameServerSockets(datagrams: datagrams, listener: listener)
    ) { $0 != "killed" }
  }

  static func port(of descriptor: Int32) -> UInt16 {
    var address = sockaddr_in()
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        _ = getsockname(descriptor, $0, &length)
      }
    }
    return UInt16(bigEndian: address.sin_port)
  }

  func join(_ network: String = "back", isInternal: Bool = false) throws {
    try book.add(
      owner: "me", network: network, names: ["me"], addresses: ["10.1.0.9"],
      isInternal: isInternal)
  }

  /// Serves until the asker has an answer; `between` plays the other servers.
  func ask(_ bytes: [UInt8], between: () throws -> Void = {}) throws -> [UInt8]? {
    guard case .wrote = asker.write(bytes[...]) else { return nil }
    for _ in 0..<2000 {
      server.serve()
      try between()
      if case .bytes(let answer) = asker.read(limit: 65_535) { return answer }
      var watches = server.interests
      try Watch.wait(&watches, milliseconds: 5)
    }
    return nil
  }
}

/// What the code, the truncation flag and the addresses of an answer are.
private func code(_ answer: [UInt8]?) -> Int? { answer.map { Int($0[3] & 15) } }

@Suite("Name server of a container")
struct NameServerTests {
  @Test("A neighbour's name is answered at once, and not any more when it is gone")
  func neighbour() throws {
    let stage = try Stage(servers: [])
    try stage.join(isInternal: true)
    #expect(code(try stage.ask(Wire.query("web"))) == 3)
    try stage.book.add(
      owner: "c1", network: "back", names: ["web"], addresses: ["10.1.0.2"], isInternal: true)
    for name in ["web", "WEB", "web.back"] {
      #expect(try stage.ask(Wire.query(name))?.suffix(4) == [10, 1, 0, 2])
    }
    // It has no IPv6 address: no such record, but such a name.
    let six = try stage.ask(Wire.query("web", type: 28))
    #expect(code(six) == 0)
    #expect(six?[7] == 0)
    let back = try stage.ask(Wire.query("2.0.1.10.in-addr.arpa", type: 12))
    #expect(back.map { $0.suffix(10) } == Wire.name("web.back")[...])
    try stage.book.remove(owner: "c1")
    #expect(code(try stage.ask(Wire.query("web"))) == 3)
  }

  @Test("A container that was killed has no name, although nobody has cleared it away yet")
  func killed() throws {
    let stage = try Stage(servers: [])
    try stage.join(isInternal: true)
    try stage.book.add(
      owner: "killed", network: "back", names: ["web"], addresses: ["10.1.0.2"], isInternal: true)
    #expect(code(try stage.ask(Wire.query("web"))) == 3)
  }

  @Test("Names of a network that the container is not on are unknown")
  func otherNetwork() throws {
    let stage = try Stage(servers: [])
    try stage.join(isInternal: true)
    try stage.book.add(
      owner: "c1", network: "front", names: ["web"], addresses: ["10.2.0.2"], isInternal: true)
    #expect(code(try stage.ask(Wire.query("web"))) == 3)
  }

  @Test("sec38_CVE_2024_29018: on an internal network no question leaves, on another it does")
  func internalNetwork() throws {
    let upstream = try #require(SocketAddress("127.0.0.1", port: 0))
    let outside = try InternetSocket.datagrams(at: upstream)
    let port = Stage.port(of: outside.descriptor.raw)
    let stage = try Stage(servers: ["127.0.0.1#\(port)"])
    try stage.join(isInternal: true)
    #expect(code(try stage.ask(Wire.query("example.com"))) == 3)
    #expect(outside.receive(limit: 512) == nil)
    // The negative control: the same question with a way out.
    try stage.join("front", isInternal: false)
    var asked = false
    let answer = try stage.ask(Wire.query("example.com")) {
      guard let (bytes, sender) = outside.receive(limit: 512) else { return }
      asked = true
      outside.send(
        DNSQuery(bytes)!.answer(.noError, [DNSRecord(address: [192, 0, 2, 1])]), to: sender)
    }
    #expect(asked)
    #expect(answer?.suffix(4) == [192, 0, 2, 1])
    #expect(answer?.prefix(2) == [0x12, 0x34])
  }

  @Test("A forged answer is not believed, and a server that fails gives way to the next")
  func forwarding() throws {
    let any = try #require(SocketAddress("127.0.0.1", port: 0))
    let first = try InternetSocket.datagrams(at: any)
    let second = try InternetSocket.datagrams(at: any)
    let ports = [first.descriptor.raw, second.descriptor.raw].map(Stage.port(of:))
    let stage = try Stage(servers: ports.map { "127.0.0.1#\($0)" })
    try stage.join()
    let answer = try stage.ask(Wire.query("example.com", datagramLimit: 1232)) {
      if let (bytes, sender) = first.receive(limit: 512) {
        // Another id, as somebody would have to guess it: passed over.
        var forged = DNSQuery(bytes)!.answer(.noError, [DNSRecord(address: [6, 6, 6, 6])])
        forged[0] ^= 1
        first.send(forged, to: sender)
        first.send(DNSQuery(bytes)!.answer(.serverFailure), to: sender)
      }
      if let (bytes, sender) = second.receive(limit: 512) {
        #expect(DNSQuery(bytes)?.datagramLimit == 1232)
        second.send(
          DNSQuery(bytes)!.answer(.noError, [DNSRecord(address: [192, 0, 2, 2])]), to: sender)
      }
    }
    #expect(
      answer.map { DNSQuery(Wire.query("example.com"))!.isAnswered(by: $0, id: 0x1234) } == true)
    #expect(answer?.contains(6) == false)
  }

  @Test("An answer too long for the asker's datagrams is cut, and comes whole by TCP")
  func truncation() throws {
    let stage = try Stage(servers: [])
    try stage.join(isInternal: true)
    for number in 1...60 {
      try stage.book.add(
        owner: "c\(number)", network: "back", names: ["crowd"], addresses: ["10.1.1.\(number)"],
        isInternal: true)
    }
    let short = try #require(try stage.ask(Wire.query("crowd")))
    #expect(short[2] & 2 == 2)
    #expect(short.count <= 512)
    let here = try #require(SocketAddress("127.0.0.1", port: stage.port))
    let stream = try InternetSocket.connecting(to: here)
    let question = Wire.query("crowd")
    var whole: [UInt8] = []
    var isAsked = false
    for _ in 0..<500 where FramedMessages.length(whole) == nil {
      if !isAsked, Watch.takesOutput(stream.descriptor.raw) {
        // In two parts, as a network may deliver it.
        _ = stream.write(([0, UInt8(question.count)] + question.prefix(5))[...])
        stage.server.serve()
        _ = stream.write(question.dropFirst(5))
        isAsked = true
      }
      stage.server.serve()
      if case .bytes(let bytes) = stream.read(limit: 65_535) { whole += bytes }
      var watches = stage.server.interests
      try Watch.wait(&watches, milliseconds: 5)
    }
    let answer = try #require(FramedMessages.next(of: &whole))
    #expect(answer[7] == 60)
    #expect(answer[2] & 2 == 0)
  }

  @Test("Without a server to ask, an outside name is answered with a failure at once")
  func nobody() throws {
    let stage = try Stage(servers: ["no address"])
    try stage.join()
    #expect(code(try stage.ask(Wire.query("example.com"))) == 2)
  }
}

extension FramedMessages {
  fileprivate static func length(_ bytes: [UInt8]) -> Int? {
    var copy = bytes
    return next(of: &copy)?.count
  }
}
