/// Taking typed values out of a document; every fault names the member.
extension JSONValue {
  /// A member, read by `read`; nil when it is missing or null.
  public func member<Value>(
    _ key: String, _ read: (JSONValue) throws(JSONFault) -> Value
  ) throws(JSONFault) -> Value? {
    guard case .object(let members) = self else { throw mismatch("an object") }
    for index in members.indices where members[index].key == key {
      if case .null = members[index].value { return nil }
      do throws(JSONFault) { return try read(members[index].value) } catch {
        throw error.inside(key)
      }
    }
    return nil
  }

  /// A member that must be there.
  public func required<Value>(
    _ key: String, _ read: (JSONValue) throws(JSONFault) -> Value
  ) throws(JSONFault) -> Value {
    guard let value = try member(key, read) else { throw JSONFault("it is missing").inside(key) }
    return value
  }

  /// A list, each item read by `read`.
  public func list<Value>(
    _ read: (JSONValue) throws(JSONFault) -> Value
  ) throws(JSONFault) -> [Value] {
    guard case .array(let items) = self else { throw mismatch("a list") }
    var values: [Value] = []
    values.reserveCapacity(items.count)
    for index in items.indices {
      do throws(JSONFault) { values.append(try read(items[index])) } catch {
        throw error.inside(index)
      }
    }
    return values
  }

  /// A member that is a list; nil when it is missing or null.
  public func listMember<Value>(
    _ key: String, _ read: (JSONValue) throws(JSONFault) -> Value
  ) throws(JSONFault) -> [Value]? {
    try member(key) { (value) throws(JSONFault) in try value.list(read) }
  }

  /// An object as pairs, each value read by `read`.
  public func pairs<Value>(
    _ read: (JSONValue) throws(JSONFault) -> Value
  ) throws(JSONFault) -> [(key: String, value: Value)] {
    guard case .object(let members) = self else { throw mismatch("an object") }
    var pairs: [(key: String, value: Value)] = []
    for member in members {
      if case .null = member.value { continue }
      do throws(JSONFault) { pairs.append((member.key, try read(member.value))) } catch {
        throw error.inside(member.key)
      }
    }
    return pairs
  }

  /// A member that is an object of texts; nil when it is missing or null.
  public func textsMember(_ key: String) throws(JSONFault) -> [String: String]? {
    try member(key) { (value) throws(JSONFault) in
      Dictionary(
        uniqueKeysWithValues: try value.pairs { (text) throws(JSONFault) in try text.text() }
          .map { ($0.key, $0.value) })
    }
  }

  /// A member that is text.
  public func textMember(_ key: String) throws(JSONFault) -> String? {
    try member(key) { (value) throws(JSONFault) in try value.text() }
  }

  /// A member that is a list of texts.
  public func stringsMember(_ key: String) throws(JSONFault) -> [String]? {
    try listMember(key) { (value) throws(JSONFault) in try value.text() }
  }

  /// A member that is an integer of a type.
  public func integerMember<Integer: FixedWidthInteger>(
    _ key: String, as: Integer.Type = Integer.self
  ) throws(JSONFault) -> Integer? {
    try member(key) { (value) throws(JSONFault) in try value.integer() }
  }

  /// A member that is true or false.
  public func flagMember(_ key: String) throws(JSONFault) -> Bool? {
    try member(key) { (value) throws(JSONFault) in try value.flag() }
  }

  /// The text itself.
  public func text() throws(JSONFault) -> String {
    guard case .string(let text) = self else { throw mismatch("a text") }
    return text
  }

  /// The truth value itself.
  public func flag() throws(JSONFault) -> Bool {
    guard case .bool(let flag) = self else { throw mismatch("true or false") }
    return flag
  }

  /// The number as an integer type, exactly.
  public func integer<Integer: FixedWidthInteger>(
    as: Integer.Type = Integer.self
  ) throws(JSONFault) -> Integer {
    let value: Integer?
    switch self {
    case .number(let number): value = Integer(exactly: number)
    case .unsigned(let number): value = Integer(exactly: number)
    case .decimal(let text): throw JSONFault("\(text) is not a whole number of this size")
    default: throw mismatch("a whole number")
    }
    guard let value else {
      throw JSONFault("\(compact) is not between \(Integer.min) and \(Integer.max)")
    }
    return value
  }

  /// The fault of a value of another kind.
  public func mismatch(_ expected: String) -> JSONFault {
    let kind =
      switch self {
      case .object: "an object"
      case .array: "a list"
      case .string: "a text"
      case .number, .unsigned, .decimal: "a number"
      case .bool: "true or false"
      case .null: "null"
      }
    return JSONFault("\(kind) stands where \(expected) is expected")
  }
}
