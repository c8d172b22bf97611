import CLinux
import Glibc

/// Visits everything below a directory, parents before what is in them.
///
/// One directory is open at a time, and the way up is "..", compared with the directory that the way
/// down came through: neither depth nor the length of a path is limited. No link is followed and no
/// other file system entered.
enum DirectoryDescent {
  /// An entry as it is visited.
  struct Entry {
    /// The directory that it is in.
    let parent: Int32
    /// Its name with a zero at the end.
    let name: [UInt8]
    /// Its path from the top, without a slash in front.
    let path: [UInt8]
    /// What lstat(2) tells of it.
    let info: stat
  }

  private struct Level {
    var pending: [[UInt8]]
    let length: Int
    let inode: ino_t
  }

  /// Visits all entries.
  ///
  /// - Parameter keepsPaths: without it ``Entry/path`` is empty, as for a tree of any depth.
  /// - Throws: what `body` throws; ``Failure/Code/refused`` when directories are moved meanwhile.
  static func walk(
    _ top: borrowing Descriptor, name: String, keepsPaths: Bool = true,
    _ body: (Entry) throws(Failure) -> Void
  ) throws(Failure) {
    var directory = try open([46, 0], in: top.raw, name)
    let device = try directory.status().st_dev
    var path: [UInt8] = []
    var levels: [Level] = []
    func visit(_ directory: borrowing Descriptor) throws(Failure) {
      let length = path.count
      var pending: [[UInt8]] = []
      for entry in try DirectoryEntries.names(of: directory) {
        let entry = entry + [0]
        var info = stat()
        let found = entry.withCStringBytes {
          fstatat(directory.raw, $0, &info, AT_SYMLINK_NOFOLLOW)
        }
        if found < 0 {
          if Glibc.errno == ENOENT { continue }
          throw .last("stat", name)
        }
        let full = keepsPaths ? (path.isEmpty ? [] : path + [47]) + entry.dropLast() : []
        try body(Entry(parent: directory.raw, name: entry, path: full, info: info))
        let isDirectory = FileKind(mode: info.st_mode) == .directory
        if isDirectory && info.st_dev == device { pending.append(entry) }
      }
      levels.append(
        Level(pending: pending, length: length, inode: try directory.status().st_ino))
    }
    try visit(directory)
    while let last = levels.indices.last {
      if let entry = levels[last].pending.popLast() {
        // What has just become something else is no directory to go into.
        guard let child = try? open(entry, in: directory.raw, name),
          try child.status().st_dev == device
        else { continue }
        if keepsPaths { path += (path.isEmpty ? [] : [47]) + entry.dropLast() }
        try visit(child)
        directory = child
      } else {
        levels.removeLast()
        guard let above = levels.last else { return }
        path.removeLast(path.count - above.length)
        directory = try open([46, 46, 0], in: directory.raw, name)
        guard try directory.status().st_ino == above.inode else {
          throw Failure(.refused, "read", name, reason: "its directories are being moved")
        }
      }
    }
  }

  private static func open(
    _ entry: [UInt8], in parent: Int32, _ name: String
  ) throws(Failure) -> Descriptor {
    let flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC
    let fd = entry.withCStringBytes { clx_open(parent, $0, flags, 0) }
    if fd < 0 { throw .last("open directory in", name) }
    return Descriptor(owning: fd)
  }
}

/// How much a tree holds.
public enum TreeSize {
  /// Bytes of all files below a directory of minidock's own: a file with several names counts once, a
  /// link for itself, and other file systems not at all.
  ///
  /// A tree that is being changed gives a number from somewhere in between; one that does not exist
  /// has none.
  public static func bytes(_ path: String) -> Int64 {
    guard let directory = try? Descriptor.open(path, .directory) else { return 0 }
    var total: Int64 = 0
    // Whoever moves directories about meanwhile gets three rounds of attention.
    for _ in 0..<3 {
      total = 0
      var seen = Set<FileNumber>()
      let complete: Void? = try? DirectoryDescent.walk(directory, name: path, keepsPaths: false) {
        (entry) throws(Failure) in
        guard FileKind(mode: entry.info.st_mode) != .directory else { return }
        if entry.info.st_nlink > 1, !seen.insert(FileNumber(entry.info)).inserted { return }
        total += Int64(entry.info.st_size)
      }
      if complete != nil { break }
    }
    return total
  }
}

/// What tells a file from all others of this host while it exists.
struct FileNumber: Hashable {
  let device: UInt64
  let inode: UInt64

  init(_ info: stat) {
    device = UInt64(info.st_dev)
    inode = UInt64(info.st_ino)
  }
}
