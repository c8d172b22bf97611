import CArchive
import Linux

/// The entries of a tar, as bytes and numbers.
final class TarReader {
  private let archive: ArchiveHandle
  private let source: CheckedStream
  private var entry: OpaquePointer?

  init(_ source: CheckedStream) throws(Failure) {
    self.source = source
    archive = try ArchiveHandle(source)
    guard archive_read_support_format_tar(archive.raw) == ARCHIVE_OK else {
      throw archive.problem("read", "tar archive")
    }
    try archive.open("read", "tar archive")
  }

  /// Moves to the next entry; false at the end of the archive.
  ///
  /// Every status but OK and EOF is an error, with one exception: a name that is not UTF-8 in a pax
  /// header makes libarchive warn and hand over the raw bytes, which is what is wanted.
  func next() throws(Failure) -> Bool {
    switch archive_read_next_header(archive.raw, &entry) {
    case ARCHIVE_OK: return true
    case ARCHIVE_EOF:
      try checkEnd()
      return false
    case ARCHIVE_WARN where isConversionWarning:
      archive_clear_error(archive.raw)
      return true
    default: throw archive.problem("read", "tar archive")
    }
  }

  private var isConversionWarning: Bool {
    archive_error_string(archive.raw).map {
      String(cString: $0).hasSuffix("to current locale.")
    } ?? false
  }

  /// The archive must end with its own end mark (at least one block of zeros, POSIX says two) and with
  /// nothing but zeros after it: a cut at the border of two entries looks like an end otherwise.
  private func checkEnd() throws(Failure) {
    let mark = archive_read_header_position(archive.raw)
    while !(try source.next().isEmpty) {
      guard source.count - mark <= source.limits.padding, source.contentEnd <= mark else { break }
    }
    guard source.contentEnd <= mark else {
      throw Failure(.corrupt, "read", "tar archive", reason: "data follows its end mark")
    }
    guard source.count - mark <= source.limits.padding else {
      throw Failure(.refused, "read", "tar archive", reason: "endless zeros follow its end mark")
    }
    guard source.count - mark >= 512 else {
      throw Failure(.corrupt, "read", "tar archive", reason: "it is cut short: no end mark")
    }
  }

  // MARK: - The current entry

  /// The path's bytes; nil when there is none.
  var path: [UInt8]? { archive_entry_pathname(entry).map(Self.bytes) }
  /// The target of a hard link.
  var hardLink: [UInt8]? { archive_entry_hardlink(entry).map(Self.bytes) }
  /// The target of a symbolic link.
  var symbolicLink: [UInt8]? { archive_entry_symlink(entry).map(Self.bytes) }
  var kind: FileKind { FileKind(mode: UInt32(archive_entry_filetype(entry))) }
  /// Declared bytes of content, holes included.
  var size: Int64 { archive_entry_size(entry) }
  var isSparse: Bool { archive_entry_sparse_count(entry) > 0 }
  var major: UInt64 { UInt64(archive_entry_rdevmajor(entry)) }
  var minor: UInt64 { UInt64(archive_entry_rdevminor(entry)) }

  /// Gives every run of content with its offset to `body`.
  func readContent(
    _ body: (UnsafeRawBufferPointer, Int64) throws(Failure) -> Void
  ) throws(Failure) {
    var block: UnsafeRawPointer?
    var count = 0
    var offset: Int64 = 0
    while true {
      switch archive_read_data_block(archive.raw, &block, &count, &offset) {
      case ARCHIVE_OK:
        if count > 0 { try body(UnsafeRawBufferPointer(start: block, count: count), offset) }
      case ARCHIVE_EOF: return
      default: throw archive.problem("read", Root.printable(path ?? []))
      }
    }
  }

  /// Owner, mode, times and what of the attributes an image may carry.
  ///
  /// - Throws: for an owner that does not fit, an ACL that names somebody without a number, or attributes
  ///   beyond `limits`.
  func metadata(_ limits: ImportLimits) throws(Failure) -> TreeWriter.Metadata {
    let modified = Self.time(archive_entry_mtime(entry), archive_entry_mtime_nsec(entry))
    let accessed =
      archive_entry_atime_is_set(entry) == 0
      ? modified : Self.time(archive_entry_atime(entry), archive_entry_atime_nsec(entry))
    var metadata = TreeWriter.Metadata(
      mode: UInt32(archive_entry_perm(entry)), user: try owner(archive_entry_uid(entry), "user"),
      group: try owner(archive_entry_gid(entry), "group"), accessed: accessed, modified: modified)
    metadata.attributes = try attributes(limits)
    return metadata
  }

  /// libarchive reads pax's "-1.5" as -1 and +0.5 seconds.
  static func time(_ seconds: Int, _ nanoseconds: Int) -> FileTime {
    guard seconds < 0, nanoseconds > 0 else {
      return FileTime(seconds: Int64(seconds), nanoseconds: Int64(nanoseconds))
    }
    return FileTime(seconds: Int64(seconds) - 1, nanoseconds: 1_000_000_000 - Int64(nanoseconds))
  }

  private func owner(_ id: Int64, _ what: String) throws(Failure) -> UInt32 {
    // 4294967295 means "leave as it is" to chown(2).
    guard let number = UInt32(exactly: id), number != UInt32.max else {
      throw wrong("its \(what) id \(id) is out of range")
    }
    return number
  }

  /// user.*, trusted.* and security.capability, but nothing that overlayfs takes as an instruction (row
  /// 21). Other security attributes and foreign namespaces mean nothing on this host and are left out.
  private func attributes(_ limits: ImportLimits) throws(Failure) -> [ExtendedAttribute] {
    var list: [ExtendedAttribute] = []
    guard archive_entry_xattr_reset(entry) > 0 else { return list }
    var total = 0
    var name: UnsafePointer<CChar>?
    var value: UnsafeRawPointer?
    var size = 0
    while archive_entry_xattr_next(entry, &name, &value, &size) == ARCHIVE_OK {
      guard let name else { continue }
      let bytes = Self.bytes(name)
      guard Self.isImported(attribute: bytes) else { continue }
      total += size + bytes.count
      guard total <= limits.attributes else { throw wrong("its extended attributes are too large") }
      let content = [UInt8](UnsafeRawBufferPointer(start: value, count: size))
      list.removeAll { $0.name == bytes }
      list.append(ExtendedAttribute(name: bytes, value: content))
    }
    return list
  }

  static func isImported(attribute name: [UInt8]) -> Bool {
    ExtendedAttributes.isPortable(name)
  }

  /// The ACLs of a file or directory: the one for access and, for a directory, the default one.
  func accessLists() throws(Failure) -> (access: AccessList?, initial: AccessList?) {
    let types = archive_entry_acl_types(entry)
    let posix = ARCHIVE_ENTRY_ACL_TYPE_ACCESS | ARCHIVE_ENTRY_ACL_TYPE_DEFAULT
    guard types & posix != 0, kind != .symbolicLink else { return (nil, nil) }
    var access: AccessList?
    var initial: AccessList?
    if types & ARCHIVE_ENTRY_ACL_TYPE_ACCESS != 0 {
      access = AccessList(entry, ARCHIVE_ENTRY_ACL_TYPE_ACCESS)
      if access == nil { throw wrong("its ACL is not a POSIX one") }
    }
    if types & ARCHIVE_ENTRY_ACL_TYPE_DEFAULT != 0, kind == .directory {
      initial = AccessList(entry, ARCHIVE_ENTRY_ACL_TYPE_DEFAULT)
      if initial == nil { throw wrong("its default ACL is not a POSIX one") }
    }
    return (access, initial)
  }

  private func wrong(_ reason: String) -> Failure {
    Failure(.refused, "unpack", Root.printable(path ?? []), reason: reason)
  }

  private static func bytes(_ text: UnsafePointer<CChar>) -> [UInt8] {
    var count = 0
    while text[count] != 0 { count += 1 }
    return [UInt8](UnsafeRawBufferPointer(start: text, count: count))
  }
}
