import CLinux
import Glibc

/// Walks a tree that nobody trusts and that may change meanwhile, from held directory to held directory.
///
/// No path is ever walked: each entry is found by its one name in the directory above, which is open.
/// A tree may be deeper than a path can be long and than there are descriptors: only the nearest
/// directories stay open, and a closed one is found again as ".." and recognized by its inode.
public enum TreeWalker {
  /// What to do after an entry.
  public enum Step: Sendable {
    /// Go on, into it when it is a directory.
    case descend
    /// Go on behind it.
    case skip
  }

  /// How many directories are open at a time.
  static let window = 64

  private final class Frame {
    var directory: SharedDescriptor?
    let identity: FileIdentity
    /// Names still to be visited, the next one last.
    var names: [[UInt8]]
    let pathLength: Int

    init(
      _ directory: consuming Descriptor, identity: FileIdentity, pathLength: Int
    ) throws(Failure) {
      names = try DirectoryEntries.names(of: directory)
        .sorted { $1.lexicographicallyPrecedes($0) }
      self.directory = SharedDescriptor(directory)
      self.identity = identity
      self.pathLength = pathLength
    }
  }

  /// Visits a directory and all below it: parents first, names in the order of their bytes.
  ///
  /// - Parameters:
  ///   - start: the directory; a location (O_PATH) is enough. It is visited with an empty path.
  ///   - name: how messages name it.
  ///   - visit: called for each entry; one that has vanished is left out.
  /// - Throws: what `visit` throws; ``Failure/Code/refused`` when a directory was moved away while the
  ///   walk was far below it.
  public static func walk(
    _ start: borrowing Descriptor, name: String,
    _ visit: (borrowing TreeEntry) throws(Failure) -> Step
  ) throws(Failure) {
    let top = try TreeEntry(try start.duplicate(), path: [])
    guard try visit(top) == .descend, top.status.kind == .directory else { return }
    var frames = [
      try Frame(try top.openDirectory(), identity: top.status.identity, pathLength: 0)
    ]
    var path: [UInt8] = []
    while let frame = frames.last {
      path.removeSubrange(frame.pathLength...)
      guard let next = frame.names.popLast() else {
        frames.removeLast()
        if let above = frames.last { try reopen(above, from: frame, name) }
        continue
      }
      if !path.isEmpty { path.append(UInt8(ascii: "/")) }
      path += next
      guard
        let entry = try TreeEntry.find(
          next, in: frame.directory?.raw ?? -1, path: path, depth: frames.count)
      else { continue }
      guard try visit(entry) == .descend, entry.status.kind == .directory else { continue }
      frames.append(
        try Frame(
          try entry.openDirectory(), identity: entry.status.identity, pathLength: path.count))
      if frames.count > window { frames[frames.count - 1 - window].directory = nil }
    }
  }

  private static func reopen(
    _ frame: Frame, from child: Frame, _ name: String
  ) throws(Failure) {
    guard frame.directory == nil, let below = child.directory else { return }
    let above = Descriptor(
      owning: try check("open parent in", name) {
        clx_open(below.raw, "..", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0)
      })
    guard try above.entryStatus().identity == frame.identity else {
      throw Failure(
        .refused, "read", name, reason: "a directory was moved while it was being read",
        remedy: "try again")
    }
    frame.directory = SharedDescriptor(above)
  }
}
