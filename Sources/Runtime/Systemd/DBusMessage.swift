import Linux

/// One message of D-Bus (D-Bus specification, "Message Format").
struct DBusMessage: Equatable, Sendable {
  enum Kind: UInt8, Sendable {
    case call = 1
    case reply = 2
    case error = 3
    case signal = 4
  }

  var kind: Kind
  var serial: UInt32
  /// The serial of the call that it answers; 0 for none.
  var replySerial: UInt32 = 0
  var path = ""
  var interface = ""
  var member = ""
  /// An error's name.
  var error = ""
  var destination = ""
  var body: [DBusValue] = []

  /// The most that is read of one message; the specification allows 128 MiB, systemd sends some hundred bytes.
  static let limit = 4 << 20
  /// What tells a message's length.
  static let prefixLength = 16

  /// A method call.
  static func call(
    _ destination: String, _ path: String, _ interface: String, _ member: String,
    _ body: [DBusValue], serial: UInt32
  ) -> DBusMessage {
    var message = DBusMessage(kind: .call, serial: serial)
    message.destination = destination
    message.path = path
    message.interface = interface
    message.member = member
    message.body = body
    return message
  }

  /// The message as it is sent.
  var bytes: [UInt8] {
    var content = DBusWriter()
    for value in body { content.put(value) }
    let signature = body.map(\.signature).joined()
    var fields: [DBusValue] = []
    func add(_ code: UInt8, _ value: DBusValue, _ isThere: Bool) {
      if isThere { fields.append(.structure([.byte(code), .variant(value)])) }
    }
    add(1, .objectPath(path), !path.isEmpty)
    add(2, .string(interface), !interface.isEmpty)
    add(3, .string(member), !member.isEmpty)
    add(4, .string(error), !error.isEmpty)
    add(5, .uint32(replySerial), replySerial != 0)
    add(6, .string(destination), !destination.isEmpty)
    add(8, .signature(signature), !signature.isEmpty)
    var head = DBusWriter()
    for byte in [UInt8(ascii: "l"), kind.rawValue, 0, 1] { head.put(.byte(byte)) }
    head.put(.uint32(UInt32(content.bytes.count)))
    head.put(.uint32(serial))
    head.put(.array("(yv)", fields))
    head.align(to: 8)
    return head.bytes + content.bytes
  }

  /// The length of the message that begins with these 16 bytes.
  ///
  /// - Throws: ``Failure/Code/corrupt`` for what is no little-endian message, or a larger one than ``limit``.
  static func length(_ prefix: [UInt8]) throws(Failure) -> Int {
    guard prefix.count >= prefixLength else { throw DBusReader.damaged("it ends early") }
    guard prefix[0] == UInt8(ascii: "l"), prefix[3] == 1 else {
      throw DBusReader.damaged("it is no little-endian message of version 1")
    }
    var reader = DBusReader(Array(prefix.prefix(prefixLength)))
    _ = try reader.number(UInt32.self)
    let body = Int(try reader.number(UInt32.self))
    _ = try reader.number(UInt32.self)
    let fields = Int(try reader.number(UInt32.self))
    guard body <= limit, fields <= limit else { throw DBusReader.damaged("it is too long") }
    return prefixLength + (fields + 7) / 8 * 8 + body
  }

  /// Reads a whole message.
  ///
  /// - Throws: ``Failure/Code/corrupt``.
  init(_ bytes: [UInt8]) throws(Failure) {
    guard try DBusMessage.length(bytes) == bytes.count else {
      throw DBusReader.damaged("it is not as long as it says")
    }
    guard let kind = Kind(rawValue: bytes[1]) else {
      throw DBusReader.damaged("it is no message of a known kind")
    }
    self.kind = kind
    var reader = DBusReader(bytes)
    _ = try reader.number(UInt32.self)
    _ = try reader.number(UInt32.self)
    serial = try reader.number()
    guard case .array(_, let fields)? = try reader.values("a(yv)").first else {
      throw DBusReader.damaged("it has no header")
    }
    try reader.align(to: 8)
    var signature = ""
    for field in fields {
      guard case .structure(let parts) = field, parts.count == 2, case .byte(let code) = parts[0],
        case .variant(let value) = parts[1]
      else { continue }
      switch (code, value) {
      case (1, .objectPath(let text)): path = text
      case (2, .string(let text)): interface = text
      case (3, .string(let text)): member = text
      case (4, .string(let text)): error = text
      case (5, .uint32(let number)): replySerial = number
      case (6, .string(let text)): destination = text
      case (8, .signature(let text)): signature = text
      default: break
      }
    }
    // The body begins at a multiple of 8, which is what its reader takes for granted.
    var content = DBusReader(Array(bytes[reader.offset...]))
    body = try content.values(signature)
  }

  private init(kind: Kind, serial: UInt32) {
    self.kind = kind
    self.serial = serial
  }
}

extension DBusMessage {
  /// The answer to a call.
  static func reply(to call: DBusMessage, _ body: [DBusValue]) -> DBusMessage {
    var message = DBusMessage(kind: .reply, serial: call.serial)
    message.replySerial = call.serial
    message.body = body
    return message
  }

  /// The refusal of a call.
  static func error(to call: DBusMessage, _ name: String, _ text: String) -> DBusMessage {
    var message = DBusMessage(kind: .error, serial: call.serial)
    message.replySerial = call.serial
    message.error = name
    message.body = [.string(text)]
    return message
  }

  /// A signal.
  static func signal(
    _ path: String, _ interface: String, _ member: String, _ body: [DBusValue]
  ) -> DBusMessage {
    var message = DBusMessage(kind: .signal, serial: 1)
    message.path = path
    message.interface = interface
    message.member = member
    message.body = body
    return message
  }
}
