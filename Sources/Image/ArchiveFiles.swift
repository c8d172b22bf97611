import Linux

/// The files of an archive of images: a tar that can be read at any place, or the directory of an OCI
/// layout. Names in the archive's documents lead to its own entries and to nothing else.
class ArchiveFiles {
  /// A small file; nil when it is not there.
  ///
  /// - Throws: ``Failure/Code/refused`` when it is larger than `limit`.
  func bytes(_ path: String, limit: Int = OCIDocuments.limit) throws(Failure) -> [UInt8]? { nil }

  /// Passes a file's descriptor, at the file's first byte, and its length; false when it is not there.
  func withFile(
    _ path: String, _ body: (Int32, Int64) throws(Failure) -> Void
  ) throws(Failure) -> Bool { false }

  func has(_ path: String) -> Bool { false }
}

/// A tar at the start of a regular file.
final class TarFiles: ArchiveFiles {
  private let file: Descriptor
  private let index: TarIndex

  init(_ file: consuming Descriptor) throws(Failure) {
    let number = file.raw
    index = try TarIndex(length: try file.fileStatus().size) { (space, offset) throws(Failure) in
      try FileBytes.read(number, into: space, at: offset)
    }
    self.file = file
  }

  override func bytes(
    _ path: String, limit: Int = OCIDocuments.limit
  ) throws(Failure) -> [UInt8]? {
    guard let (offset, size) = index.file(path) else { return nil }
    let name = Root.printable(Array(path.utf8))
    guard size <= limit else {
      throw Failure(.refused, "read", name, reason: "larger than \(limit) bytes")
    }
    var bytes = [UInt8](repeating: 0, count: Int(size))
    let number = file.raw
    let got = try bytes.withMutableBytes { (space) throws(Failure) in
      try FileBytes.read(number, into: space, at: offset)
    }
    guard got == Int(size) else {
      throw Failure(.corrupt, "read", name, reason: "it is cut short")
    }
    return bytes
  }

  override func withFile(
    _ path: String, _ body: (Int32, Int64) throws(Failure) -> Void
  ) throws(Failure) -> Bool {
    guard let (offset, size) = index.file(path) else { return false }
    try FileBytes.seek(file.raw, to: offset)
    try body(file.raw, size)
    return true
  }

  override func has(_ path: String) -> Bool { index.file(path) != nil }
}

/// An OCI layout's directory.
final class LayoutFiles: ArchiveFiles {
  private let root: Root

  init(_ root: consuming Root) { self.root = root }

  override func bytes(
    _ path: String, limit: Int = OCIDocuments.limit
  ) throws(Failure) -> [UInt8]? {
    try root.readFile(path, limit: limit)
  }

  override func withFile(
    _ path: String, _ body: (Int32, Int64) throws(Failure) -> Void
  ) throws(Failure) -> Bool {
    guard let file = try root.regularFile(path) else { return false }
    try body(file.raw, try file.fileStatus().size)
    return true
  }

  override func has(_ path: String) -> Bool {
    guard let file = try? root.regularFile(path) else { return false }
    _ = consume file
    return true
  }
}
