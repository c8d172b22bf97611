import Linux
import RegistryExchange

/// A `minidock-registry` at work for this process; it ends with its owner.
///
/// ``RegistryRequest`` draws the exchange. Nothing that arrives here is believed: digests, sizes and texts
/// are checked by whoever asked.
public struct RegistryConnection: ~Copyable {
  private let channel: MessageSocket
  private let child: Child
  private var lastNumber: UInt32 = 0
  private var waiting: [(number: UInt32, answer: RegistryAnswer)] = []
  /// Whether bytes may come from elsewhere than the registry itself.
  public private(set) var hasMirrors = false
  /// The registry that it speaks to.
  public let domain: String
  /// Whether something has failed there that may go well another time without anybody's doing: connections,
  /// servers' errors, the program that speaks to them.
  public private(set) var hasBrokenDown = false

  /// Starts the program and has it open a registry.
  ///
  /// - Throws: ``Failure/Code/notFound`` when the program is not installed, the failure of its settings or
  ///   credentials.
  public static func open(
    _ domain: String, for purpose: RegistryRequest.Purpose
  ) throws(Failure) -> RegistryConnection {
    let ends = try MessageSocket.pair()
    let near = ends.near
    let far = ends.far
    let child = try start(far.descriptor.raw)
    _ = consume far
    var connection = RegistryConnection(near, child, domain)
    let number = try connection.send(.open(domain: domain, purpose: purpose))
    guard case .opened(let hasMirrors) = try connection.answer(to: number) else {
      throw RegistryRequest.nonsense
    }
    connection.hasMirrors = hasMirrors
    return connection
  }

  private init(_ channel: consuming MessageSocket, _ child: consuming Child, _ domain: String) {
    self.channel = channel
    self.child = child
    self.domain = domain
  }

  deinit { child.kill() }

  private static func start(_ socket: Int32) throws(Failure) -> Child {
    let path = try program()
    let words = [path, String(ThisProcess.id)]
    let environment = ProgramCall.environment
    return try Processes.fork {
      // Descriptor 3 stays open across the exec as a copy without the flag.
      if socket == 3 {
        ThisProcess.keepAtExec(3)
      } else {
        do throws(Failure) { try ThisProcess.place(socket, at: 3) } catch { return 126 }
      }
      ThisProcess.closeDescriptors(from: 4, atExec: false)
      _ = ThisProcess.execute(path, arguments: words, environment: environment)
      return 127
    }
  }

  /// Where the program is: named by the environment, beside this one, or in libexec of its prefix.
  static func program() throws(Failure) -> String {
    if let path = Console.environment("MINIDOCK_REGISTRY") { return path }
    let folder = Files.parent(of: try SealedExecutable.ownPath())
    let places = [
      folder + "/minidock-registry",
      Files.parent(of: folder) + "/libexec/minidock/minidock-registry",
    ]
    guard let path = places.first(where: { Files.exists($0) }) else {
      throw Failure(
        .notFound, "find", "minidock-registry", reason: "it is not in \(folder) nor in libexec",
        remedy: "install it with make install, or name it by MINIDOCK_REGISTRY")
    }
    return path
  }

  /// The descriptor that has input when an answer is there.
  public var descriptor: Int32 { channel.descriptor.raw }

  /// Sends a request, with the descriptor that it reads from or writes to.
  ///
  /// - Parameter beginning: a file with the first bytes of the blob that is asked for.
  /// - Returns: the number of its answers.
  public mutating func send(
    _ request: RegistryRequest, _ descriptor: Int32? = nil, beginning: Int32? = nil
  ) throws(Failure) -> UInt32 {
    lastNumber += 1
    do throws(Failure) {
      try channel.send(
        request.message(number: lastNumber),
        descriptors: [descriptor, beginning].compactMap { $0 })
    } catch {
      throw died()
    }
    return lastNumber
  }

  /// The next answer to whatever request; waits for it.
  public mutating func next() throws(Failure) -> (number: UInt32, answer: RegistryAnswer) {
    if !waiting.isEmpty { return waiting.removeFirst() }
    return try receive()
  }

  /// Whether ``next()`` has one without reading.
  public var hasAnswer: Bool { !waiting.isEmpty }

  /// The final answer to one request; waits for it and keeps those to others.
  ///
  /// - Throws: the failure that the answer is.
  public mutating func answer(
    to number: UInt32, progress: ((Int64) -> Void)? = nil
  ) throws(Failure) -> RegistryAnswer {
    while true {
      let message: (number: UInt32, answer: RegistryAnswer)
      if let index = waiting.firstIndex(where: { $0.number == number }) {
        message = waiting.remove(at: index)
      } else {
        message = try receive()
      }
      guard message.number == number else {
        waiting.append(message)
        continue
      }
      switch message.answer {
      case .failed(let failure): throw failure
      case .progress(let bytes): progress?(bytes)
      case let answer: return answer
      }
    }
  }

  private mutating func receive() throws(Failure) -> (number: UInt32, answer: RegistryAnswer) {
    guard let message = try channel.receive(limit: MessageSocket.capacity) else {
      hasBrokenDown = true
      throw died()
    }
    for descriptor in message.descriptors { ThisProcess.close(descriptor) }
    let parsed = try RegistryAnswer.parse(message.bytes)
    // A broken pipe is what the registry's side makes of a layer that this one has refused.
    if case .failed(let failure) = parsed.answer, failure.code == .system,
      failure.errno != ErrorNumber.brokenPipe
    {
      hasBrokenDown = true
    }
    return parsed
  }

  private func died() -> Failure {
    Failure(
      .system, "ask registry", domain, reason: "minidock-registry has ended unexpectedly",
      remedy: "see the line above, if there is one, and try again")
  }
}

extension RegistryConnection {
  /// What a tag or digest leads to, as the registry says it.
  public struct Document: Sendable {
    /// The media type of the answer.
    public var mediaType: String
    /// The digest that the registry names; "" when it names none.
    public var digest: String
    /// The document; empty when only asked about.
    public var bytes: [UInt8] = []
  }

  /// What a tag or digest leads to, in one round trip.
  public mutating func lookUp(
    _ repository: RemoteRepository, _ reference: String
  ) throws(Failure) -> Document {
    let number = try send(.lookUp(repository, reference: reference))
    guard case .document(let type, let digest, _) = try answer(to: number) else {
      throw RegistryRequest.nonsense
    }
    return Document(mediaType: type, digest: digest)
  }

  /// A manifest or index.
  public mutating func document(
    _ repository: RemoteRepository, _ reference: String
  ) throws(Failure) -> Document {
    let request = RegistryRequest.manifest(repository, reference: reference)
    let (bytes, answer) = try output(of: request, limit: 4 << 20)
    guard case .document(let type, let digest, _) = answer else { throw RegistryRequest.nonsense }
    return Document(mediaType: type, digest: digest, bytes: bytes)
  }

  /// A small blob, such as a configuration. Its digest and size are the caller's to check.
  public mutating func blob(
    _ repository: RemoteRepository, digest: String, size: Int64, limit: Int
  ) throws(Failure) -> [UInt8] {
    try output(
      of: .blob(repository, digest: digest, size: size, skipsMirrors: false), limit: limit
    ).bytes
  }

  /// The lines that a request answers with.
  public mutating func lines(_ request: RegistryRequest) throws(Failure) -> [String] {
    let bytes = try output(of: request, limit: 64 << 20).bytes
    return bytes.split(separator: UInt8(ascii: "\n")).map { String(decoding: $0, as: UTF8.self) }
  }

  /// Writes what a request answers with into a file.
  mutating func copy(_ request: RegistryRequest, into file: Int32) throws(Failure) {
    let pipe = try Descriptor.pipe()
    let reader = pipe.read
    let writer = pipe.write
    let number = try send(request, writer.raw)
    _ = consume writer
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 4096)
    defer { buffer.deallocate() }
    while true {
      let count = try readBytes(reader.raw, into: buffer)
      if count == 0 { break }
      try writeAll(
        file, UnsafeRawBufferPointer(rebasing: buffer[..<count]), object: "part of an image")
    }
    _ = try answer(to: number)
  }

  private mutating func output(
    of request: RegistryRequest, limit: Int
  ) throws(Failure) -> (bytes: [UInt8], answer: RegistryAnswer) {
    let pipe = try Descriptor.pipe()
    let reader = pipe.read
    let writer = pipe.write
    let number = try send(request, writer.raw)
    _ = consume writer
    let bytes = try reader.readToEnd(limit: limit, object: "answer of \(domain)")
    return (bytes, try answer(to: number))
  }
}
