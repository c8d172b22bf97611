/// How far one layer of a pull or push is.
public struct TransferUpdate: Sendable, Equatable {
  /// What happens to it.
  public enum Phase: Sendable, Equatable {
    /// Nothing yet.
    case waiting
    /// Its bytes arrive, and are hashed and unpacked on the way.
    case downloading
    /// All bytes are here; digest, size and diff id are being compared and the tree finished.
    case verifying
    /// The bytes match, and the tree is being finished.
    case unpacking
    /// It was fetched.
    case pulled
    /// It was here before, or another process fetches it.
    case existed
    /// Its bytes are sent.
    case uploading
    /// It is at the registry.
    case pushed
    /// The registry had it.
    case existedThere
    /// The registry took it from another repository.
    case mounted
  }

  /// Position among the layers, the lowest first.
  public var index: Int
  /// Digest of its blob: "sha256:…".
  public var digest: String
  /// What happens to it.
  public var phase: Phase
  /// Bytes so far.
  public var bytes: Int64
  /// Bytes in all.
  public var total: Int64

  /// An update.
  public init(index: Int, digest: String, phase: Phase, bytes: Int64, total: Int64) {
    self.index = index
    self.digest = digest
    self.phase = phase
    self.bytes = bytes
    self.total = total
  }
}
