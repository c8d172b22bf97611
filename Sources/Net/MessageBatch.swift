import CMnl
import Linux

/// Netlink messages under construction, one after the other in the memory that is sent
/// (netlink(7)), built by libmnl's functions with every length checked before it is narrowed.
///
/// The first thing that does not fit is remembered and thrown by ``finish()``; what follows is then
/// ignored, so that the builders need no `try`. In particular an attribute whose payload exceeds
/// the 16 bits of its length field is a failure and never a wrapped length (CVE-2021-43784).
public struct MessageBatch: ~Copyable {
  /// The most bytes a batch may have; the kernel refuses more than a socket's send buffer anyway.
  public static let limit = 4 << 20

  private var space: UnsafeMutableRawPointer
  private var capacity: Int
  private var current = 0
  /// Bytes in finished and unfinished messages.
  private(set) var size = 0
  /// How many messages there are.
  public private(set) var count = 0
  private(set) var failure: Failure?

  /// An empty batch with room for `capacity` bytes; it grows.
  public init(capacity: Int = 4096) {
    self.capacity = max(capacity, 256)
    space = .allocate(byteCount: self.capacity, alignment: 8)
    space.initializeMemory(as: UInt8.self, repeating: 0, count: self.capacity)
  }

  deinit { space.deallocate() }

  private var header: UnsafeMutablePointer<nlmsghdr> {
    (space + current).assumingMemoryBound(to: nlmsghdr.self)
  }

  private mutating func refuse(_ reason: String) {
    if failure == nil { failure = Failure(.refused, "build", "netlink message", reason: reason) }
  }

  /// Makes room for `extra` more bytes; false when there is none to be had.
  private mutating func reserve(_ extra: Int) -> Bool {
    guard failure == nil else { return false }
    let need = size + extra
    if need <= capacity { return true }
    guard need <= MessageBatch.limit else {
      refuse("larger than \(MessageBatch.limit) bytes")
      return false
    }
    let larger = min(max(need, capacity * 2), MessageBatch.limit)
    let fresh = UnsafeMutableRawPointer.allocate(byteCount: larger, alignment: 8)
    fresh.copyMemory(from: space, byteCount: size)
    (fresh + size).initializeMemory(as: UInt8.self, repeating: 0, count: larger - size)
    space.deallocate()
    space = fresh
    capacity = larger
    return true
  }

  private mutating func updateSize() { size = current + Int(header.pointee.nlmsg_len) }

  /// Starts the next message. NLM_F_REQUEST is added to `flags`; its sequence number is set when it
  /// is sent.
  public mutating func begin(type: Int, flags: Int32) {
    guard let type = UInt16(exactly: type) else { return refuse("message type \(type)") }
    guard reserve(32) else { return }
    current = size
    mnl_nlmsg_put_header(space + current)
    header.pointee.nlmsg_type = type
    header.pointee.nlmsg_flags = UInt16(truncatingIfNeeded: flags | NLM_F_REQUEST)
    count += 1
    updateSize()
  }

  /// Appends the fixed structure that follows the header: `ifinfomsg`, `rtmsg`, `nfgenmsg`, …
  public mutating func fixed<Structure: BitwiseCopyable>(_ value: Structure) {
    guard reserve(MemoryLayout<Structure>.size + 4) else { return }
    let place = mnl_nlmsg_put_extra_header(header, MemoryLayout<Structure>.size)!
    withUnsafeBytes(of: value) { place.copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
    updateSize()
  }

  /// Appends an attribute with raw bytes.
  public mutating func put(_ type: Int, bytes: UnsafeRawBufferPointer) {
    guard bytes.count <= Int(UInt16.max) - 4 else {
      return refuse("attribute \(type) has \(bytes.count) bytes, at most 65531 fit")
    }
    guard reserve(bytes.count + 8) else { return }
    let fits = mnl_attr_put_check(
      header, capacity - current, UInt16(truncatingIfNeeded: type), bytes.count, bytes.baseAddress)
    if !fits { return refuse("attribute \(type) does not fit") }
    updateSize()
  }

  /// Appends an attribute with raw bytes.
  public mutating func put(_ type: Int, _ bytes: [UInt8]) {
    bytes.withUnsafeBytes { put(type, bytes: $0) }
  }

  /// Appends a number in the host's byte order.
  public mutating func put(_ type: Int, _ number: some FixedWidthInteger) {
    withUnsafeBytes(of: number) { put(type, bytes: $0) }
  }

  /// Appends a number in network byte order, as nfnetlink has them.
  public mutating func put(_ type: Int, bigEndian number: some FixedWidthInteger) {
    withUnsafeBytes(of: number.bigEndian) { put(type, bytes: $0) }
  }

  /// Appends a string with its zero.
  public mutating func put(_ type: Int, _ text: String) { put(type, Array(text.utf8) + [0]) }

  /// Appends an address in network byte order.
  public mutating func put(_ type: Int, _ address: IPv4Address) {
    put(type, bigEndian: address.value)
  }

  /// Appends an attribute whose payload is the attributes that `body` puts.
  public mutating func nest(_ type: Int, _ body: (inout MessageBatch) -> Void) {
    guard reserve(8) else { return }
    let start = size
    guard
      mnl_attr_nest_start_check(header, capacity - current, UInt16(truncatingIfNeeded: type)) != nil
    else { return refuse("attribute \(type) does not fit") }
    updateSize()
    body(&self)
    guard failure == nil else { return }
    guard size - start <= Int(UInt16.max) else {
      return refuse("attribute \(type) holds \(size - start) bytes, at most 65531 fit")
    }
    mnl_attr_nest_end(header, (space + start).assumingMemoryBound(to: nlattr.self))
  }

  /// A digest (FNV-1a, 32 bits) of the bytes from offset `start` to the end.
  func digest(from start: Int) -> UInt32 {
    UnsafeRawBufferPointer(start: space + start, count: max(0, size - start))
      .reduce(0x811c_9dc5) { ($0 ^ UInt32($1)) &* 0x0100_0193 }
  }

  /// Gives `body` the finished bytes with the messages numbered from `sequence`, and how many of
  /// them ask for an acknowledgement.
  mutating func finish<Result>(
    sequence: UInt32, _ body: (UnsafeRawBufferPointer, Int) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    if let failure { throw failure }
    var acknowledgements = 0
    var offset = 0
    var number = sequence
    while offset < size {
      let message = (space + offset).assumingMemoryBound(to: nlmsghdr.self)
      message.pointee.nlmsg_seq = number
      number &+= 1
      if message.pointee.nlmsg_flags & UInt16(NLM_F_ACK) != 0 { acknowledgements += 1 }
      offset += Int(message.pointee.nlmsg_len + 3) & ~3
    }
    return try body(UnsafeRawBufferPointer(start: space, count: size), acknowledgements)
  }

  /// The finished bytes, sequence numbers from 0.
  ///
  /// - Throws: ``Failure/Code/refused`` when something did not fit.
  public mutating func finish() throws(Failure) -> [UInt8] {
    try finish(sequence: 0) { (bytes, _) throws(Failure) in [UInt8](bytes) }
  }
}

extension RawRepresentable where RawValue == UInt32 {
  /// A C enumerator as an attribute type or value.
  var code: Int { Int(rawValue) }
}
