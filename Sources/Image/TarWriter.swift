import CArchive
import Linux

/// Writes a tar archive (pax where ustar is not enough, which every tar of today reads) to whoever takes
/// its bytes.
///
/// Names, targets and attributes are bytes throughout: what is not UTF-8 is written as it is, with pax's
/// own mark for that. The same entries always give the same bytes.
public final class TarWriter {
  /// Takes the archive's bytes in order.
  public typealias Sink = (UnsafeRawBufferPointer) throws(Failure) -> Void

  /// An entry's kind with what belongs to it.
  public enum Content: Sendable, Equatable {
    /// A file; exactly so many bytes follow by ``write(_:)``.
    case file(size: Int64)
    case directory
    case symbolicLink(target: [UInt8])
    /// A further name of an entry before.
    case hardLink(target: [UInt8])
    case fifo
    case character(major: UInt32, minor: UInt32)
    case block(major: UInt32, minor: UInt32)
  }

  private let raw: OpaquePointer
  private let entry: OpaquePointer
  private let sink: Sink
  /// What the sink threw inside libarchive.
  private var failure: Failure?

  /// Starts an archive.
  public init(_ sink: @escaping Sink) throws(Failure) {
    guard let raw = archive_write_new(), let entry = archive_entry_new() else {
      throw Failure(.system, "write", "tar archive", reason: "no memory")
    }
    self.raw = raw
    self.entry = entry
    self.sink = sink
    Locale.useUTF8()
    guard archive_write_set_format_pax_restricted(raw) == ARCHIVE_OK else {
      throw problem("tar archive")
    }
    // Once by GNU tar's and star's name is enough; libarchive would add a second copy of its own.
    archive_write_set_format_option(raw, nil, "xattrheader", "SCHILY")
    archive_write_set_bytes_per_block(raw, 64 << 10)
    archive_write_set_bytes_in_last_block(raw, 512)
    try open()
  }

  deinit {
    archive_entry_free(entry)
    archive_write_free(raw)
  }

  private func open() throws(Failure) {
    let context = Unmanaged.passUnretained(self).toOpaque()
    let status = archive_write_open(
      raw, context, nil,
      { archive, context, bytes, count in
        let me = Unmanaged<TarWriter>.fromOpaque(context!).takeUnretainedValue()
        // After a failure libarchive still wants to write its end.
        guard me.failure == nil else { return count }
        do throws(Failure) {
          try me.sink(UnsafeRawBufferPointer(start: bytes, count: count))
          return count
        } catch {
          me.failure = error
          archive_clear_error(archive)
          return -1
        }
      }, nil)
    guard status == ARCHIVE_OK else { throw problem("tar archive") }
  }

  /// Starts an entry.
  ///
  /// - Parameter path: relative, as it shall stand in the archive.
  public func add(
    _ path: [UInt8], _ content: Content, _ metadata: TreeWriter.Metadata
  ) throws(Failure) {
    archive_entry_clear(entry)
    (path + [0]).withCStringBytes { archive_entry_copy_pathname(entry, $0) }
    archive_entry_set_size(entry, 0)
    switch content {
    case .file(let size):
      archive_entry_set_filetype(entry, FileKind.regular.rawValue)
      archive_entry_set_size(entry, size)
    case .directory: archive_entry_set_filetype(entry, FileKind.directory.rawValue)
    case .symbolicLink(let target):
      archive_entry_set_filetype(entry, FileKind.symbolicLink.rawValue)
      (target + [0]).withCStringBytes { archive_entry_copy_symlink(entry, $0) }
    case .hardLink(let target):
      archive_entry_set_filetype(entry, FileKind.regular.rawValue)
      (target + [0]).withCStringBytes { archive_entry_copy_hardlink(entry, $0) }
    case .fifo: archive_entry_set_filetype(entry, FileKind.fifo.rawValue)
    case .character(let major, let minor): setDevice(.characterDevice, major, minor)
    case .block(let major, let minor): setDevice(.blockDevice, major, minor)
    }
    try describe(metadata)
    if case .hardLink = content {} else { try addAttributes(metadata) }
    switch archive_write_header(raw, entry) {
    case ARCHIVE_OK: break
    case ARCHIVE_WARN where failure == nil: archive_clear_error(raw)
    default: throw problem(Root.printable(path))
    }
  }

  /// The next bytes of the file that was added last; what it lacks in the end becomes zeros.
  public func write(_ bytes: UnsafeRawBufferPointer) throws(Failure) {
    guard archive_write_data(raw, bytes.baseAddress, bytes.count) == bytes.count else {
      throw problem("tar archive")
    }
  }

  /// Writes the archive's end. Without it the archive is cut short.
  public func finish() throws(Failure) {
    guard archive_write_close(raw) == ARCHIVE_OK, failure == nil else {
      throw problem("tar archive")
    }
  }

  private func setDevice(_ kind: FileKind, _ major: UInt32, _ minor: UInt32) {
    archive_entry_set_filetype(entry, kind.rawValue)
    archive_entry_set_rdevmajor(entry, dev_t(major))
    archive_entry_set_rdevminor(entry, dev_t(minor))
  }

  private func describe(_ metadata: TreeWriter.Metadata) throws(Failure) {
    archive_entry_set_perm(entry, mode_t(metadata.mode & 0o7777))
    archive_entry_set_uid(entry, Int64(metadata.user))
    archive_entry_set_gid(entry, Int64(metadata.group))
    // Whole seconds, as docker writes them: a part of one would cost every entry a kilobyte.
    archive_entry_set_mtime(entry, time_t(metadata.modified.seconds), 0)
  }

  private func addAttributes(_ metadata: TreeWriter.Metadata) throws(Failure) {
    for attribute in metadata.attributes {
      attribute.value.withUnsafeBytes { value in
        (attribute.name + [0]).withCStringBytes {
          archive_entry_xattr_add_entry(entry, $0, value.baseAddress, value.count)
        }
      }
    }
    for (list, type) in [
      (metadata.accessList, ARCHIVE_ENTRY_ACL_TYPE_ACCESS),
      (metadata.defaultList, ARCHIVE_ENTRY_ACL_TYPE_DEFAULT),
    ] {
      guard let list, let access = AccessList(kernel: list) else { continue }
      access.add(to: entry, type)
    }
  }

  /// The failure behind a status that is not ARCHIVE_OK: the sink's own one, or libarchive's text.
  private func problem(_ object: String) -> Failure {
    if let failure { return failure }
    let text = archive_error_string(raw).map { Array(String(cString: $0).utf8) } ?? []
    let reason = text.isEmpty ? "it cannot be written" : Root.printable(text)
    return Failure(
      .system, "archive", object, reason: reason.prefix(1).lowercased() + reason.dropFirst())
  }
}
