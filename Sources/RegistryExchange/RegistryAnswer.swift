import Linux

/// What `minidock-registry` answers; ``RegistryRequest`` draws the exchange.
public enum RegistryAnswer: Sendable, Equatable {
  /// The helper is ready; `hasMirrors` when it may take bytes from elsewhere than the registry.
  case opened(hasMirrors: Bool)
  /// What a tag or digest leads to: media type and digest as the registry names them, and the size.
  case document(mediaType: String, digest: String, size: Int64)
  /// Bytes sent so far of an upload.
  case progress(Int64)
  /// The request is done.
  case done
  /// A blob is at the registry; `how` tells whether anything had to be sent.
  case uploaded(Upload)
  /// A request is done and this is worth telling the user.
  case told(String)
  /// The request has failed.
  case failed(Failure)

  /// How a blob came to be at the registry.
  public enum Upload: UInt8, Sendable {
    /// It was there.
    case existed
    /// The registry took it from another of its repositories.
    case mounted
    /// It was sent.
    case sent
  }
}

extension RegistryAnswer {
  /// The message: the request's number, then the answer.
  public func message(number: UInt32) -> [UInt8] {
    var writer = WireWriter()
    writer.put(number)
    switch self {
    case .opened(let hasMirrors):
      writer.put(UInt8(0))
      writer.put(hasMirrors)
    case .document(let mediaType, let digest, let size):
      writer.put(UInt8(1))
      writer.put(mediaType)
      writer.put(digest)
      writer.put(size)
    case .progress(let bytes):
      writer.put(UInt8(2))
      writer.put(bytes)
    case .done: writer.put(UInt8(3))
    case .uploaded(let how):
      writer.put(UInt8(4))
      writer.put(how.rawValue)
    case .told(let text):
      writer.put(UInt8(5))
      writer.put(text)
    case .failed(let failure):
      writer.put(UInt8(6))
      writer.put(failure)
    }
    return writer.bytes
  }

  /// Reads a message. Its texts may be a stranger's; who prints them makes them printable.
  ///
  /// - Throws: ``Failure/Code/corrupt`` for what is none.
  public static func parse(
    _ message: [UInt8]
  ) throws(Failure) -> (number: UInt32, answer: RegistryAnswer) {
    var reader = WireReader(message)
    let number: UInt32 = try reader.get()
    let answer: RegistryAnswer
    switch try reader.get(UInt8.self) {
    case 0: answer = .opened(hasMirrors: try reader.getBool())
    case 1:
      answer = .document(
        mediaType: try reader.getString(), digest: try reader.getString(), size: try reader.get())
    case 2: answer = .progress(try reader.get())
    case 3: answer = .done
    case 4:
      guard let how = Upload(rawValue: try reader.get()) else { throw RegistryRequest.nonsense }
      answer = .uploaded(how)
    case 5: answer = .told(try reader.getString())
    case 6: answer = .failed(try Failure(&reader))
    default: throw RegistryRequest.nonsense
    }
    guard reader.isAtEnd else { throw RegistryRequest.nonsense }
    return (number, answer)
  }
}
