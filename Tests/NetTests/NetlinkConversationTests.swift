import CMnl
import Linux
import Testing

@testable import Net

/// What a scripted kernel was sent, and what it answers.
final class Script {
  var sent: [[UInt8]] = []
  var answers: [Result<[UInt8], Failure>]

  init(_ answers: [Result<[UInt8], Failure>]) { self.answers = answers }
}

struct ScriptedTransport: NetlinkTransport {
  let script: Script

  mutating func send(_ bytes: UnsafeRawBufferPointer) { script.sent.append([UInt8](bytes)) }

  mutating func receive(into space: UnsafeMutableRawBufferPointer) throws(Failure) -> Int {
    guard !script.answers.isEmpty else {
      throw Failure(.corrupt, "receive", "", reason: "the script is at its end")
    }
    let answer = try script.answers.removeFirst().get()
    space.copyBytes(from: answer)
    return answer.count
  }
}

/// One message: header, then payload filled up to four bytes.
func message(_ type: Int, flags: Int = 0, sequence: UInt8, _ payload: [UInt8]) -> [UInt8] {
  let length = 16 + payload.count
  let fill = [UInt8](repeating: 0, count: (4 - payload.count % 4) % 4)
  return [
    UInt8(length & 255), UInt8(length >> 8), 0, 0, UInt8(type & 255), UInt8(type >> 8),
    UInt8(flags & 255), UInt8(flags >> 8), sequence, 0, 0, 0, 0, 0, 0, 0,
  ] + payload + fill
}

/// NLMSG_ERROR without a copy of the request.
func acknowledgement(_ number: Int32, sequence: UInt8, words: String? = nil) -> [UInt8] {
  var payload = withUnsafeBytes(of: -number) { [UInt8]($0) } + [UInt8](repeating: 0, count: 16)
  guard let words else { return message(2, flags: 0x100, sequence: sequence, payload) }
  let text = Array(words.utf8) + [0]
  payload += [UInt8(text.count + 4), 0, 1, 0] + text
  return message(2, flags: 0x300, sequence: sequence, payload)
}

@Suite("Netlink conversations")
struct NetlinkConversationTests {
  /// Sets loopback up against the script, and returns the failure.
  private func setUp(_ answers: [Result<[UInt8], Failure>]) -> Failure? {
    var connection = NetlinkConnection(ScriptedTransport(script: Script(answers)))
    var batch = MessageBatch()
    LinkMessages.setUp(index: 1, to: &batch)
    do throws(Failure) {
      try connection.exchange(&batch, "set up", "loopback")
      return nil
    } catch { return error }
  }

  @Test("An acknowledgement ends an exchange")
  func acknowledged() { #expect(setUp([.success(acknowledgement(0, sequence: 1))]) == nil) }

  @Test("A refusal carries the error number and the kernel's own words")
  func refused() {
    let failure = setUp([
      .success(acknowledgement(19, sequence: 1, words: "Unable to find device."))
    ])
    #expect(failure?.errno == 19)
    #expect(
      failure?.description == "set up loopback: no such device (Unable to find device)")
  }

  @Test("Words behind a copy of the request are found too")
  func refusedWithRequest() {
    // nlmsgerr with the whole request of 32 bytes (no NLM_F_CAPPED), then the words.
    let request = message(16, sequence: 1, [UInt8](repeating: 9, count: 16))
    let payload = [237, 255, 255, 255] + request + [8, 0, 1, 0, 110, 111, 33, 0]
    let failure = setUp([.success(message(2, flags: 0x200, sequence: 1, payload))])
    #expect(failure?.reason == "no such device (no!)")
  }

  @Test("Answers to earlier requests are dropped")
  func stale() {
    let old = acknowledgement(1, sequence: 0)
    #expect(setUp([.success(old + acknowledgement(0, sequence: 1))]) == nil)
    #expect(setUp([.success(old), .success(acknowledgement(0, sequence: 1))]) == nil)
  }

  @Test("An error that the caller expects does not end a batch")
  func tolerated() throws {
    let script = Script([
      .success(acknowledgement(17, sequence: 1)), .success(acknowledgement(0, sequence: 2)),
    ])
    var connection = NetlinkConnection(ScriptedTransport(script: script))
    var batch = MessageBatch()
    LinkMessages.setUp(index: 1, to: &batch)
    LinkMessages.setUp(index: 2, to: &batch)
    try connection.exchange(&batch, "set up", "links", tolerated: [17])
    #expect(script.answers.isEmpty)
    #expect(script.sent.count == 1 && script.sent[0].count == 64)
  }

  @Test("An answer too short for a message is a failure, not a hang")
  func malformed() {
    for answer in [[], [1, 2, 3], [UInt8](repeating: 255, count: 40)] {
      #expect(setUp([.success(answer)])?.code == .corrupt)
    }
  }

  @Test("An overflowed receive buffer during an exchange is reported")
  func overflow() {
    #expect(setUp([.failure(Failure(errno: 105, "receive"))])?.errno == 105)
  }

  private func route(sequence: UInt8, flags: Int = 2) -> [UInt8] {
    message(
      24, flags: flags, sequence: sequence,
      [2, 16, 0, 0, 254, 2, 253, 1, 0, 0, 0, 0]
        + [8, 0, 1, 0, 10, 88, 0, 0, 8, 0, 4, 0, 5, 0, 0, 0, 8, 0, 7, 0, 10, 88, 0, 1])
  }

  private let done: (UInt8) -> [UInt8] = { message(3, flags: 2, sequence: $0, [0, 0, 0, 0]) }

  @Test("A dump is every message until it is done")
  func dump() throws {
    let script = Script([.success(route(sequence: 1) + route(sequence: 1)), .success(done(1))])
    var connection = NetlinkConnection(ScriptedTransport(script: script))
    let routes = try connection.routes()
    let expected = Route(
      destination: try Subnet(parsing: "10.88.0.0/16"), index: 5,
      source: IPv4Address("10.88.0.1"))
    #expect(routes == [expected, expected])
  }

  @Test("A dump that changed or overflowed while it was read is asked for again")
  func interrupted() throws {
    let script = Script([
      .success(route(sequence: 1, flags: 0x12) + done(1)),
      .failure(Failure(errno: 105, "receive")),
      .success(route(sequence: 2) + route(sequence: 3) + done(3)),
    ])
    var connection = NetlinkConnection(ScriptedTransport(script: script))
    #expect(try connection.routes().count == 1)
    #expect(script.sent.count == 3)
  }

  @Test("A dump that never holds still is given up")
  func neverConsistent() {
    let script = Script((1...10).map { .success(route(sequence: $0, flags: 0x12) + done($0)) })
    var connection = NetlinkConnection(ScriptedTransport(script: script))
    var failure: Failure?
    do throws(Failure) { _ = try connection.routes() } catch { failure = error }
    #expect(failure?.errno == 11)
  }

  @Test("Attributes that claim more than the message holds end the list")
  func attributes() {
    let good: [UInt8] = [8, 0, 1, 0, 1, 2, 3, 4]
    for tail in [[200, 0, 2, 0], [3, 0, 2, 0], [8, 0, 2, 0, 1]] as [[UInt8]] {
      let attributes = NetlinkAttributes((good + tail)[...])
      #expect(attributes[1].map(Array.init) == [1, 2, 3, 4])
      #expect(attributes[2] == nil)
    }
    #expect(NetlinkAttributes([])[1] == nil)
  }
}
