import CMnl
import Linux

/// What carries netlink bytes: the kernel's socket, or a script in a test.
public protocol NetlinkTransport: ~Copyable {
  /// Sends one datagram.
  mutating func send(_ bytes: UnsafeRawBufferPointer) throws(Failure)
  /// Waits for one datagram and returns its length.
  mutating func receive(into space: UnsafeMutableRawBufferPointer) throws(Failure) -> Int
}

/// Requests to the kernel and its answers over one netlink socket.
///
///     batch of n messages in one sendmsg  ──►  kernel works them off in order
///     for each that asks for it           ◄──  NLMSG_ERROR with 0 or -errno, its sequence number,
///                                              and (NETLINK_EXT_ACK) the reason in words
///     for each that queries               ◄──  one message, before its acknowledgement
///     for a dump                          ◄──  many messages with NLM_F_MULTI, then NLMSG_DONE
///
/// Answers to an earlier exchange that failed half-way are told by their sequence number and
/// dropped.
public struct NetlinkConnection<Transport: NetlinkTransport & ~Copyable>: ~Copyable {
  private var transport: Transport
  private var sequence: UInt32 = 1
  private let space: UnsafeMutableRawBufferPointer

  /// Talks over `transport`.
  public init(_ transport: consuming Transport) {
    self.transport = transport
    // The kernel sends dumps in pieces of at most 32 KiB to readers that have room for it.
    space = .allocate(byteCount: 32 << 10, alignment: 8)
  }

  deinit { space.deallocate() }

  /// Sends all messages at once and waits for every acknowledgement that they ask for.
  ///
  /// - Parameter tolerated: error numbers that count as success, such as EEXIST.
  /// - Returns: the messages that answered queries.
  /// - Throws: the first other error, its reason the kernel's own words where it gave any.
  @discardableResult
  public mutating func exchange(
    _ batch: inout MessageBatch, _ operation: String, _ object: String = "",
    tolerated: [Int32] = []
  ) throws(Failure) -> [NetlinkReply] {
    let first = sequence
    sequence &+= UInt32(batch.count)
    var pending = 0
    do throws(Failure) {
      pending = try batch.finish(sequence: first) { (bytes, acknowledgements) throws(Failure) in
        try transport.send(bytes)
        return acknowledgements
      }
    } catch {
      throw error.during(operation, object)
    }
    var replies: [NetlinkReply] = []
    while pending > 0 {
      for reply in try receive(operation, object) where reply.sequence &- first < sequence &- first
      {
        guard reply.type == UInt16(NLMSG_ERROR) else {
          replies.append(reply)
          continue
        }
        pending -= 1
        let number = errorNumber(reply)
        if number != 0 && !tolerated.contains(number) {
          throw Failure(
            errno: number, operation, object, reason: NetlinkError.reason(number, reply))
        }
      }
    }
    return replies
  }

  /// Sends one dump request and collects all its messages; a dump that changed while it was read
  /// (NLM_F_DUMP_INTR) or overflowed the receive buffer (ENOBUFS) is asked for again.
  ///
  /// - Throws: the kernel's error; EAGAIN when ten attempts were all interrupted.
  public mutating func dump(
    _ operation: String, _ object: String = "", _ build: (inout MessageBatch) -> Void
  ) throws(Failure) -> [NetlinkReply] {
    for _ in 0..<10 {
      if let replies = try dumpOnce(operation, object, build) { return replies }
    }
    throw Failure(
      errno: ErrorNumber.again, operation, object,
      reason: "the list changed during each of ten attempts to read it")
  }

  private mutating func dumpOnce(
    _ operation: String, _ object: String, _ build: (inout MessageBatch) -> Void
  ) throws(Failure) -> [NetlinkReply]? {
    var batch = MessageBatch(capacity: 512)
    build(&batch)
    let wanted = sequence
    sequence &+= 1
    try batch.finish(sequence: wanted) { (bytes, _) throws(Failure) in try transport.send(bytes) }
    var replies: [NetlinkReply] = []
    var consistent = true
    while true {
      let received: [NetlinkReply]
      do throws(Failure) {
        received = try receive(operation, object)
      } catch  where error.errno == ErrorNumber.noBufferSpace {
        return nil
      }
      for reply in received where reply.sequence == wanted {
        if reply.flags & UInt16(NLM_F_DUMP_INTR) != 0 { consistent = false }
        if reply.type == UInt16(NLMSG_DONE) || reply.type == UInt16(NLMSG_ERROR) {
          let number = errorNumber(reply)
          if number == ErrorNumber.interrupted { return nil }
          if number != 0 {
            throw Failure(
              errno: number, operation, object, reason: NetlinkError.reason(number, reply))
          }
          return consistent ? replies : nil
        }
        replies.append(reply)
      }
    }
  }

  /// NLMSG_ERROR and NLMSG_DONE begin with a negative error number or 0.
  private func errorNumber(_ reply: NetlinkReply) -> Int32 {
    0 - max(-4095, min(0, reply.fixed(Int32.self) ?? 0))
  }

  private mutating func receive(
    _ operation: String, _ object: String
  ) throws(Failure) -> [NetlinkReply] {
    var length: Int
    do throws(Failure) { length = try transport.receive(into: space) } catch {
      throw Failure(errno: error.errno, operation, object, reason: error.reason)
    }
    var replies: [NetlinkReply] = []
    var left = Int32(length)
    var cursor = UnsafePointer(space.baseAddress!.assumingMemoryBound(to: nlmsghdr.self))
    // libmnl takes a length beyond 2 GiB for a negative one, which fits anything.
    while left >= 16, cursor.pointee.nlmsg_len <= UInt32(left), mnl_nlmsg_ok(cursor, left) {
      let header = cursor.pointee
      let payload = UnsafeRawBufferPointer(
        start: mnl_nlmsg_get_payload(cursor), count: mnl_nlmsg_get_payload_len(cursor))
      replies.append(
        NetlinkReply(
          type: header.nlmsg_type, flags: header.nlmsg_flags, sequence: header.nlmsg_seq,
          payload: [UInt8](payload)))
      cursor = UnsafePointer(mnl_nlmsg_next(cursor, &left))
    }
    if replies.isEmpty {
      throw Failure(.corrupt, operation, object, reason: "the kernel's answer is malformed")
    }
    return replies
  }
}

// The one owner of its memory and of its socket.
extension NetlinkConnection: @unchecked Sendable where Transport: Sendable & ~Copyable {}

/// The kernel's words for a refused request.
enum NetlinkError {
  /// "no such device", followed by the extended acknowledgement's text where there is one.
  static func reason(_ number: Int32, _ reply: NetlinkReply) -> String {
    let text = errorText(number)
    guard reply.flags & UInt16(NLM_F_ACK_TLVS) != 0,
      let error = reply.fixed(nlmsgerr.self)
    else { return text }
    // nlmsgerr: the error, then the request: only its header when NLM_F_CAPPED is set.
    var start = MemoryLayout<nlmsgerr>.size
    if reply.flags & UInt16(NLM_F_CAPPED) == 0 {
      start += (max(Int(error.msg.nlmsg_len), 16) - 16 + 3) & ~3
    }
    guard start <= reply.payload.count,
      let words = NetlinkAttributes(reply.payload[start...]).text(NLMSGERR_ATTR_MSG.code)
    else { return text }
    var clean = words
    while clean.hasSuffix(".") { clean.removeLast() }
    return "\(text) (\(clean))"
  }
}
