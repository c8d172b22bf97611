import Linux

/// Something that happened to a container, image or volume, as `minidock events` tells it.
public struct Event: Sendable, Equatable {
  /// By the host's clock.
  public var time: Timestamp
  /// "container", "image" or "volume".
  public var type: String
  /// Docker's word: "start", "die", "exec_create: sh" …
  public var action: String
  /// The object's id or name.
  public var id: String
  /// Docker's attributes, in order: name and image of a container, its labels, what the action adds.
  public var attributes: [(key: String, value: String)]

  /// An event of now.
  public init(
    type: String, _ action: String, id: String, _ attributes: [(key: String, value: String)] = []
  ) {
    time = .now
    self.type = type
    self.action = action
    self.id = id
    self.attributes = attributes
  }

  /// An event of a container.
  init(
    container record: ContainerRecord, _ action: String,
    _ attributes: [(key: String, value: String)] = []
  ) {
    self.init(
      type: "container", action, id: record.id,
      [("image", record.image), ("name", record.name)] + attributes + record.labels)
  }

  /// One line: fields separated by tabs, with FieldText's escapes and "\t" for a tab.
  var line: String {
    var fields = [String(time.nanoseconds), type, action, id]
    for (key, value) in attributes { fields += [key, value] }
    return fields.map(Event.escape).joined(separator: "\t") + "\n"
  }

  init?(line: Substring) {
    let fields = line.split(separator: "\t", omittingEmptySubsequences: false)
      .map { Event.unescape($0) }
    guard fields.count >= 4, fields.count % 2 == 0, let time = Int64(fields[0]) else { return nil }
    self.time = Timestamp(nanoseconds: time)
    type = fields[1]
    action = fields[2]
    id = fields[3]
    attributes = stride(from: 4, to: fields.count, by: 2).map { (fields[$0], fields[$0 + 1]) }
  }

  private static func escape(_ text: String) -> String {
    guard text.utf8.contains(where: { $0 < 32 || $0 == UInt8(ascii: "\\") }) else { return text }
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\t": result += "\\t"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }

  private static func unescape(_ text: Substring) -> String {
    guard text.utf8.contains(UInt8(ascii: "\\")) else { return String(text) }
    var result = ""
    var isEscaped = false
    for scalar in text.unicodeScalars {
      if isEscaped {
        switch scalar {
        case "n": result += "\n"
        case "t": result += "\t"
        default: result.unicodeScalars.append(scalar)
        }
        isEscaped = false
      } else if scalar == "\\" {
        isEscaped = true
      } else {
        result.unicodeScalars.append(scalar)
      }
    }
    return result
  }

  /// Docker's JSON form.
  public var document: JSONValue {
    .object([
      ("status", .string(action)), ("id", .string(id)),
      ("from", .optional(attributes.first { $0.key == "image" }?.value)),
      ("Type", .string(type)), ("Action", .string(action)),
      (
        "Actor",
        .object([
          ("ID", .string(id)),
          ("Attributes", .object(attributes.map { ($0.key, .string($0.value)) })),
        ])
      ),
      ("scope", .string("local")),
      ("time", .number(time.nanoseconds / 1_000_000_000)),
      ("timeNano", .number(time.nanoseconds)),
    ])
  }

  /// Docker's line of text.
  public var text: String {
    let list = attributes.map { "\($0.key)=\($0.value)" }.joined(separator: ", ")
    return "\(time) \(type) \(action) \(id)" + (list.isEmpty ? "" : " (\(list))")
  }

  /// Equal when the same would be written.
  public static func == (a: Event, b: Event) -> Bool { a.line == b.line }
}
