/// How much one layer may be. Beyond it the import ends with an error and leaves nothing (row 22).
public struct ImportLimits: Sendable {
  /// Entries of the archive.
  public var entries = 4_000_000
  /// Bytes of the uncompressed archive.
  public var bytes: Int64 = 1 << 40
  /// Bytes of all files, holes included: a sparse file costs nothing until it is copied.
  public var apparentBytes: Int64 = 1 << 44
  /// Bytes of a path (path_resolution(7): PATH_MAX with its zero is 4096).
  public var path = 4095
  /// Bytes of one entry's extended attributes.
  public var attributes = 1 << 20
  /// Entries whose ACLs have names that wait for the image's accounts.
  public var namedLists = 100_000
  /// Growth through decompression that passes for an archive, beyond ``ratioFloor`` bytes.
  public var ratio: Int64 = 500
  /// Bytes below which any growth is fine.
  public var ratioFloor: Int64 = 128 << 20
  /// Zeros after the end of the archive.
  public var padding: Int64 = 64 << 20
  /// Bytes that an import leaves free in the store's file system, or a twentieth of it where that is
  /// less.
  public var freeSpace: Int64 = 256 << 20
  /// Private memory of the decoder, in bytes, on top of what it starts with: zstd's and xz's windows are
  /// 128 and 64 MiB at the most that their tools make.
  public var memory: UInt64 = 208 << 20

  /// The defaults.
  public init() {}
}
