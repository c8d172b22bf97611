import CArchive
import Linux

/// A libarchive reader that pulls from a ``ByteStream``.
///
/// Nothing is ever guessed: the caller names the one filter or the one format, libarchive's bidding over
/// all that it knows never starts (row 39).
final class ArchiveHandle {
  let raw: OpaquePointer
  private let source: ByteStream
  /// What the source threw inside libarchive.
  private var failure: Failure?

  init(_ source: ByteStream) throws(Failure) {
    guard let raw = archive_read_new() else {
      throw Failure(.system, "read", "archive", reason: "no memory")
    }
    self.raw = raw
    self.source = source
  }

  deinit { archive_read_free(raw) }

  /// Starts reading; formats and filters are set before.
  func open(_ operation: String, _ object: String) throws(Failure) {
    let context = Unmanaged.passUnretained(self).toOpaque()
    let status = archive_read_open(
      raw, context, nil,
      { archive, context, place in
        let me = Unmanaged<ArchiveHandle>.fromOpaque(context!).takeUnretainedValue()
        do throws(Failure) {
          let bytes = try me.source.next()
          place!.pointee = bytes.baseAddress
          return bytes.count
        } catch {
          me.failure = error
          archive_clear_error(archive)
          return -1
        }
      }, nil)
    guard status == ARCHIVE_OK else { throw problem(operation, object) }
  }

  /// The failure behind a status that is not ARCHIVE_OK: the source's own one, or libarchive's text.
  func problem(_ operation: String, _ object: String = "") -> Failure {
    if let failure { return failure }
    let text = archive_error_string(raw).map { Array(String(cString: $0).utf8) } ?? []
    let reason = text.isEmpty ? "damaged data" : Root.printable(text)
    return Failure(
      .corrupt, operation, object, reason: reason.prefix(1).lowercased() + reason.dropFirst())
  }
}

/// zstd, xz or bzip2 through libarchive's filter, all of which check what the format lets them check.
final class FilterStream: ByteStream {
  private let source: ByteStream
  private let archive: ArchiveHandle
  private let name: String
  private var isOpen = false

  init(_ source: ByteStream, _ kind: ArchiveKind) throws(Failure) {
    self.source = source
    archive = try ArchiveHandle(source)
    let code: Int32
    switch kind {
    case .zstd: (code, name) = (ARCHIVE_FILTER_ZSTD, "zstd data")
    case .xz: (code, name) = (ARCHIVE_FILTER_XZ, "xz data")
    default: (code, name) = (ARCHIVE_FILTER_BZIP2, "bzip2 data")
    }
    super.init()
    // One filter by name and no bidding: exactly one decompression, not as many as bytes that look
    // compressed would ask for.
    guard archive_read_append_filter(archive.raw, code) == ARCHIVE_OK,
      archive_read_support_format_raw(archive.raw) == ARCHIVE_OK
    else { throw archive.problem("decompress", name) }
  }

  override var stored: Int64 { source.stored }

  override func next() throws(Failure) -> UnsafeRawBufferPointer {
    if !isOpen {
      try archive.open("decompress", name)
      var entry: OpaquePointer?
      switch archive_read_next_header(archive.raw, &entry) {
      case ARCHIVE_OK: isOpen = true
      case ARCHIVE_EOF: return UnsafeRawBufferPointer(start: nil, count: 0)
      default: throw archive.problem("decompress", name)
      }
    }
    var block: UnsafeRawPointer?
    var count = 0
    var offset: Int64 = 0
    while true {
      switch archive_read_data_block(archive.raw, &block, &count, &offset) {
      case ARCHIVE_OK where count > 0: return UnsafeRawBufferPointer(start: block, count: count)
      case ARCHIVE_OK: continue
      case ARCHIVE_EOF: return UnsafeRawBufferPointer(start: nil, count: 0)
      default: throw archive.problem("decompress", name)
      }
    }
  }
}
