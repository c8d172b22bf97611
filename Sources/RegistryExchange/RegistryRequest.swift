import Linux

/// A repository at a registry, in an image name's own words: "docker.io" and "library/busybox".
public struct RemoteRepository: Sendable, Equatable {
  /// The registry's host with its port.
  public var domain: String
  /// The repository below it.
  public var path: String

  /// A repository.
  public init(domain: String, path: String) {
    self.domain = domain
    self.path = path
  }
}

/// What minidock asks of `minidock-registry`, one datagram each (SOCK_SEQPACKET).
///
/// minidock has no thread and speaks no HTTP; the helper has both, and is not believed: it delivers bytes,
/// and minidock compares their digest and size with those that it asked for.
///
/// ```
/// minidock (no thread)                                   minidock-registry (threads, HTTP, TLS, JSON)
///
///   open(domain, purpose) ------------------------------>  settings, credentials; then locks itself in
///                  <------------------------------------  opened | failed
///   n: manifest(repository, reference)  + pipe --------->  GET .../manifests/<reference>
///                  <========= bytes through the pipe ====
///                  <------------------------------------  n: document(type, digest, size) | failed
///   n: blob(repository, digest, size)   + pipe --------->  GET .../blobs/<digest>, again with Range
///                 [+ file with its beginning]              when the connection breaks, and from the
///                  <========= bytes through the pipe ====  end of the beginning on
///                  <------------------------------------  n: progress..., done | failed
///   n: upload(repository, digest, size) + file --------->  HEAD, mount, POST, PUT
///                  <------------------------------------  n: progress..., uploaded | failed
///   (socket closed) ------------------------------------>  exit
/// ```
/// Requests overlap: each has a number of its own, which its answers carry. A pipe is closed by the helper
/// before the answer is sent, so that its reader can read to the end first and look at the answer then.
/// Closing the pipe's reading end gives a request up.
public enum RegistryRequest: Sendable, Equatable {
  /// The first request: which registry this is about and what for. Everything that needs a file or another
  /// program (settings, certificates, credential helpers) happens now.
  case open(domain: String, purpose: Purpose)
  /// What a tag or digest leads to, without the document (HEAD).
  case lookUp(RemoteRepository, reference: String)
  /// The document that a tag or digest leads to, through a pipe.
  case manifest(RemoteRepository, reference: String)
  /// A blob's bytes, through a pipe. `skipsMirrors`: from the registry itself, as a mirror's were wrong.
  case blob(RemoteRepository, digest: String, size: Int64, skipsMirrors: Bool)
  /// Stores a blob, from a file that is read by offset; nothing is sent when the registry has it, or can
  /// mount it from one of `sources` (repositories of the same registry).
  case upload(RemoteRepository, digest: String, size: Int64, sources: [String])
  /// Stores a manifest, from a file, under a tag or digest.
  case putManifest(RemoteRepository, reference: String, mediaType: String)
  /// All tags of a repository, one a line, through a pipe.
  case tags(RemoteRepository)
  /// Repositories that match a word, through a pipe: lines of name, stars, "official" or "", description,
  /// with tabs between.
  case search(term: String, limit: Int)
  /// Tries credentials and, when the registry takes them, stores them. Without a user: those stored.
  case login(user: String, password: String)
  /// Forgets the stored credentials of the registry.
  case logout

  /// What the helper is started for: it decides what it still needs after the start.
  public enum Purpose: UInt8, Sendable {
    /// Reading from the registry.
    case pull
    /// Writing to it.
    case push
    /// Changing stored credentials: the only purpose that writes files.
    case credentials
    /// Searching.
    case search
  }
}

extension RegistryRequest {
  /// The message: its number, then the request.
  public func message(number: UInt32) -> [UInt8] {
    var writer = WireWriter()
    writer.put(number)
    func head(_ kind: UInt8, _ repository: RemoteRepository? = nil) {
      writer.put(kind)
      guard let repository else { return }
      writer.put(repository.domain)
      writer.put(repository.path)
    }
    switch self {
    case .open(let domain, let purpose):
      head(0)
      writer.put(domain)
      writer.put(purpose.rawValue)
    case .lookUp(let repository, let reference):
      head(1, repository)
      writer.put(reference)
    case .manifest(let repository, let reference):
      head(2, repository)
      writer.put(reference)
    case .blob(let repository, let digest, let size, let skipsMirrors):
      head(3, repository)
      writer.put(digest)
      writer.put(size)
      writer.put(skipsMirrors)
    case .upload(let repository, let digest, let size, let sources):
      head(4, repository)
      writer.put(digest)
      writer.put(size)
      writer.put(sources)
    case .putManifest(let repository, let reference, let mediaType):
      head(5, repository)
      writer.put(reference)
      writer.put(mediaType)
    case .tags(let repository): head(6, repository)
    case .search(let term, let limit):
      head(7)
      writer.put(term)
      writer.put(Int64(limit))
    case .login(let user, let password):
      head(8)
      writer.put(user)
      writer.put(password)
    case .logout: head(9)
    }
    return writer.bytes
  }

  /// Reads a message.
  ///
  /// - Throws: ``Failure/Code/corrupt`` for what is none.
  public static func parse(
    _ message: [UInt8]
  ) throws(Failure) -> (number: UInt32, request: RegistryRequest) {
    var reader = WireReader(message)
    let number: UInt32 = try reader.get()
    let kind: UInt8 = try reader.get()
    func repository() throws(Failure) -> RemoteRepository {
      RemoteRepository(domain: try reader.getString(), path: try reader.getString())
    }
    let request: RegistryRequest
    switch kind {
    case 0:
      let domain = try reader.getString()
      guard let purpose = Purpose(rawValue: try reader.get()) else { throw nonsense }
      request = .open(domain: domain, purpose: purpose)
    case 1: request = .lookUp(try repository(), reference: try reader.getString())
    case 2: request = .manifest(try repository(), reference: try reader.getString())
    case 3:
      request = .blob(
        try repository(), digest: try reader.getString(), size: try reader.get(),
        skipsMirrors: try reader.getBool())
    case 4:
      request = .upload(
        try repository(), digest: try reader.getString(), size: try reader.get(),
        sources: try reader.getStrings())
    case 5:
      request = .putManifest(
        try repository(), reference: try reader.getString(), mediaType: try reader.getString())
    case 6: request = .tags(try repository())
    case 7:
      request = .search(
        term: try reader.getString(), limit: Int(try reader.get(Int64.self)))
    case 8: request = .login(user: try reader.getString(), password: try reader.getString())
    case 9: request = .logout
    default: throw nonsense
    }
    guard reader.isAtEnd else { throw nonsense }
    return (number, request)
  }

  /// What is said to a message that is none.
  public static var nonsense: Failure {
    Failure(.corrupt, "read", "message", reason: "the other process speaks another language")
  }
}
