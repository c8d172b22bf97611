import Linux

/// A question to a name server, as far as one has to understand it to answer or to pass it on (RFC 1035
/// section 4; RFC 6891 for EDNS).
struct DNSQuery: Equatable {
  /// What the answer must repeat.
  let id: UInt16
  /// The second and third octet of the header: operation and flags.
  let flags: UInt16
  /// The name without its last dot, in lower case; nil when a label holds what no host name can.
  let name: String?
  /// The type that is asked for: ``DNSType``.
  let type: UInt16
  /// The class that is asked for; 1 is the internet.
  let recordClass: UInt16
  /// The question as it came, which an answer repeats byte by byte.
  let question: [UInt8]
  /// The largest datagram that the asker takes, by EDNS; nil without it.
  let datagramLimit: Int?

  /// Largest answer by UDP: what the asker said, within reason, else the 512 of RFC 1035.
  var answerLimit: Int { datagramLimit.map { min(max($0, 512), 4096) } ?? 512 }

  /// Whether the operation is a standard query.
  var isStandard: Bool { flags & 0x7800 == 0 }
}

/// Types of records (RFC 1035, RFC 3596) and answer codes that minidock's name server knows.
enum DNSType {
  static let address4: UInt16 = 1
  static let pointer: UInt16 = 12
  static let address6: UInt16 = 28
  static let any: UInt16 = 255
  static let options: UInt16 = 41
}

/// Answer codes (RFC 1035 section 4.1.1).
enum DNSCode: UInt16 {
  case noError = 0
  case formatError = 1
  case serverFailure = 2
  case noSuchName = 3
  case notImplemented = 4
}

extension DNSQuery {
  /// Reads a query. Nothing in it is trusted: every length is checked, and a question with compressed
  /// names, which no asker has a reason for, is none.
  init?(_ bytes: [UInt8]) {
    guard bytes.count >= 12, bytes[2] & 0x80 == 0 else { return nil }
    func number(_ at: Int) -> UInt16 { UInt16(bytes[at]) << 8 | UInt16(bytes[at + 1]) }
    guard number(4) == 1 else { return nil }
    var labels: [String] = []
    var isHostName = true
    var at = 12
    while true {
      guard at < bytes.count, bytes[at] < 64 else { return nil }
      let length = Int(bytes[at])
      at += 1
      if length == 0 { break }
      guard at + length < bytes.count, at + length - 12 < 255 else { return nil }
      let label = bytes[at..<at + length]
      isHostName = isHostName && label.allSatisfy(DNSQuery.isHostByte)
      labels.append(String(decoding: label.map(DNSQuery.lowercase), as: UTF8.self))
      at += length
    }
    guard at + 4 <= bytes.count else { return nil }
    id = number(0)
    flags = number(2)
    name = isHostName ? labels.joined(separator: ".") : nil
    type = number(at)
    recordClass = number(at + 2)
    question = Array(bytes[12..<at + 4])
    datagramLimit = DNSQuery.datagramLimit(
      bytes, from: at + 4, records: Int(number(6)) + Int(number(8)) + Int(number(10)))
  }

  // The OPT record, which has the root's empty name, among those behind the question; a query holds few.
  private static func datagramLimit(_ bytes: [UInt8], from start: Int, records: Int) -> Int? {
    var at = start
    for _ in 0..<min(records, 8) {
      guard at + 11 <= bytes.count, bytes[at] == 0 else { return nil }
      let type = UInt16(bytes[at + 1]) << 8 | UInt16(bytes[at + 2])
      if type == DNSType.options { return Int(bytes[at + 3]) << 8 | Int(bytes[at + 4]) }
      at += 11 + (Int(bytes[at + 9]) << 8 | Int(bytes[at + 10]))
    }
    return nil
  }

  static func lowercase(_ byte: UInt8) -> UInt8 { (65...90).contains(byte) ? byte + 32 : byte }

  private static func isHostByte(_ byte: UInt8) -> Bool {
    (48...57).contains(byte) || (97...122).contains(lowercase(byte)) || byte == 45 || byte == 95
  }

  /// The address that a pointer's name asks about ("4.3.2.1.in-addr.arpa"); nil for another name.
  var reversedAddress: [UInt8]? {
    guard type == DNSType.pointer || type == DNSType.any, let name else { return nil }
    let labels = name.utf8.split(separator: UInt8(ascii: "."))
    if name.hasSuffix(".in-addr.arpa"), labels.count == 6 {
      let text = labels.prefix(4).reversed().map { String(decoding: $0, as: UTF8.self) }
      return IPv4Address(text.joined(separator: "."))?.octets
    }
    guard name.hasSuffix(".ip6.arpa"), labels.count == 34 else { return nil }
    let digits = labels.prefix(32).reversed().compactMap { label in
      label.count == 1 ? UInt8(String(decoding: label, as: UTF8.self), radix: 16) : nil
    }
    guard digits.count == 32 else { return nil }
    return stride(from: 0, to: 32, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
  }
}

/// A record of an answer, about the name that was asked for.
struct DNSRecord: Equatable {
  let type: UInt16
  let data: [UInt8]

  /// An A record of 4 bytes or an AAAA record of 16.
  init(address: [UInt8]) {
    type = address.count == 4 ? DNSType.address4 : DNSType.address6
    data = address
  }

  /// A PTR record; nil for a name that is none.
  init?(pointerTo name: String) {
    var data: [UInt8] = []
    for label in name.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false) {
      guard (1...63).contains(label.count) else { return nil }
      data.append(UInt8(label.count))
      data += label
    }
    data.append(0)
    guard data.count <= 255 else { return nil }
    type = DNSType.pointer
    self.data = data
  }
}

extension DNSQuery {
  /// The answer to this query.
  ///
  /// Records live for no time at all: nobody may remember an address that its container can give back
  /// the next moment, and asking again costs no more than a look into a directory.
  func answer(_ code: DNSCode, _ records: [DNSRecord] = []) -> [UInt8] {
    var bytes = header(code, answers: records.count, isTruncated: false)
    for record in records {
      bytes += [0xc0, 12]
      bytes += [UInt8(record.type >> 8), UInt8(record.type & 255), 0, 1, 0, 0, 0, 0]
      bytes += [UInt8(record.data.count >> 8), UInt8(record.data.count & 255)]
      bytes += record.data
    }
    return bytes + optionsRecord
  }

  /// The answer that has the asker ask again by TCP.
  var truncatedAnswer: [UInt8] { header(.noError, answers: 0, isTruncated: true) + optionsRecord }

  private func header(_ code: DNSCode, answers: Int, isTruncated: Bool) -> [UInt8] {
    // An answer, its operation and "recursion desired" repeated, recursion available.
    var result = 0x8000 | flags & 0x7900 | 0x0080 | code.rawValue
    if isTruncated { result |= 0x0200 }
    let additional = datagramLimit == nil ? 0 : 1
    let numbers = [id, result, 1, UInt16(answers), 0, UInt16(additional)]
    return numbers.flatMap { [UInt8($0 >> 8), UInt8($0 & 255)] } + question
  }

  // Who speaks EDNS is answered in it: 1232 bytes pass everywhere unfragmented.
  private var optionsRecord: [UInt8] {
    datagramLimit == nil ? [] : [0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0, 0, 0]
  }

  /// Whether `bytes` is an answer to this question with the id `id`.
  func isAnswered(by bytes: [UInt8], id: UInt16) -> Bool {
    guard bytes.count >= 12 + question.count, bytes[2] & 0x80 != 0,
      bytes[0] == UInt8(id >> 8), bytes[1] == UInt8(id & 255), bytes[4] == 0, bytes[5] == 1
    else { return false }
    // Some servers change the case of a name.
    return bytes[12..<12 + question.count].map(DNSQuery.lowercase)
      == question.map(DNSQuery.lowercase)
  }
}
