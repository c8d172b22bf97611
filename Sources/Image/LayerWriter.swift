import Linux

/// Makes an OCI layer from a container's upper directory (image-spec, layer.md): whiteouts become
/// ".wh.NAME", opaque directories get ".wh..wh..opq", overlayfs's own attributes are left out.
public enum LayerWriter {
  private static let prefix = Array(".wh.".utf8)

  /// Writes the layer as a plain tar.
  ///
  /// - Parameters:
  ///   - upper: the upper directory that `diff` was made of.
  ///   - output: a descriptor that takes the archive.
  ///   - progress: told after each piece.
  /// - Throws: ``Failure/Code/unsupported`` for a name that a layer cannot hold, as it would mean a whiteout.
  public static func write(
    _ upper: borrowing Descriptor, _ diff: LayerDiff, to output: Int32,
    progress: @escaping (TransferCount) -> Void
  ) throws(Failure) {
    let tar = try TarWriter { (bytes) throws(Failure) in try writeAll(output, bytes) }
    let archiver = TreeArchiver(tar, progress: progress)
    try TreeWalker.walk(upper, name: "upper directory") { (entry) throws(Failure) in
      if entry.depth == 0 {
        if LayerDiff.isNotable(top: entry.status) { try archiver.add(entry, as: [46]) }
        return .descend
      }
      // Below an omitted directory everything is omitted.
      if diff.omitted.contains(entry.path) { return .skip }
      guard !entry.name.starts(with: prefix) else {
        throw Failure(
          .unsupported, "archive", Root.printable(entry.path),
          reason: "in a layer its name would mean a deleted file", remedy: "rename it")
      }
      if entry.status.isWhiteout {
        try addMark(beside: entry.path, prefix + entry.name, tar)
      } else {
        try archiver.add(entry, as: entry.path)
        if diff.opaque.contains(entry.path) {
          try addMark(beside: entry.path + Array("/x".utf8), prefix + Array(".wh..opq".utf8), tar)
        }
      }
      return .descend
    }
    try tar.finish()
  }

  private static func addMark(
    beside path: [UInt8], _ name: [UInt8], _ tar: TarWriter
  ) throws(Failure) {
    let parent = path.lastIndex(of: UInt8(ascii: "/")).map { Array(path[...$0]) } ?? []
    let zero = FileTime(seconds: 0, nanoseconds: 0)
    try tar.add(
      parent + name, .file(size: 0),
      TreeWriter.Metadata(mode: 0o600, user: 0, group: 0, accessed: zero, modified: zero))
  }
}
