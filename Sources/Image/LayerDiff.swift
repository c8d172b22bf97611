import Linux

/// What a container has changed: its upper directory against the layers below.
///
/// By docker's rules: a file is changed when mode, owner, device, size, modification time or file
/// capabilities differ, a directory when mode or owner do or something in it has changed. What was copied
/// up and is the same is no change.
public struct LayerDiff: Sendable {
  /// What has become of a path, with docker's letter.
  public enum Kind: String, Sendable {
    case added = "A"
    case modified = "C"
    case deleted = "D"
  }

  /// One change.
  public struct Change: Sendable, Equatable {
    /// What happened.
    public var kind: Kind
    /// Without a slash in front.
    public var path: [UInt8]
  }

  /// All changes, sorted by path.
  public private(set) var changes: [Change] = []
  /// Entries of the upper directory that are no part of a layer made from it: directories in which
  /// nothing is changed, and mount points that the engine made.
  private(set) var omitted: Set<[UInt8]> = []
  /// Directories that hide what the layers below have at their paths.
  private(set) var opaque: Set<[UInt8]> = []
  /// Whether a layer made from the upper directory would have no entry.
  public private(set) var isEmpty = true

  /// An entry of the upper directory.
  private struct Upper {
    var path: [UInt8]
    var depth: Int
    /// nil: as below.
    var kind: Kind?
    /// Part of a layer even when it is as below.
    var isKept: Bool
    /// An empty mount point of the engine's.
    var isMountPoint: Bool
  }

  /// A directory on the way to the current entry.
  private struct Above {
    /// The layers that have a directory there, uppermost first.
    var layers: [Int]
    /// Whether the upper directory hides them, here or above.
    var isCovered: Bool
  }

  /// Compares.
  ///
  /// - Parameters:
  ///   - upper: overlayfs's upper directory, not changing meanwhile.
  ///   - layers: the unpacked layers below it, lowest first.
  ///   - mountPoints: paths at which the engine makes empty files and directories to mount on; they are
  ///     no change as long as they are that.
  /// - Throws: ``Failure/Code/unsupported`` when overlayfs has been made to rename directories or copy
  ///   metadata alone (redirect_dir, metacopy): the upper directory does not tell all then.
  public init(
    upper: borrowing Descriptor, layers: [String], mountPoints: Set<[UInt8]> = []
  ) throws(Failure) {
    let lower = try LowerLayers(layers)
    var entries: [Upper] = []
    var way: [Above] = []
    try TreeWalker.walk(upper, name: "upper directory") { (entry) throws(Failure) in
      try LayerDiff.refuseRedirects(entry)
      way.removeSubrange(entry.depth...)
      if entry.depth == 0 {
        if LayerDiff.isNotable(top: entry.status) { isEmpty = false }
        way.append(Above(layers: lower.all, isCovered: false))
        return .descend
      }
      way.append(try note(entry, way[entry.depth - 1], lower, mountPoints, &entries))
      return .descend
    }
    settle(entries)
    changes.sort { $0.path.lexicographicallyPrecedes($1.path) }
  }

  /// Every upper directory begins as 0755 of root, whatever the image's top is: only another one tells
  /// something.
  static func isNotable(top status: EntryStatus) -> Bool {
    status.mode != 0o755 || status.user != 0 || status.group != 0
  }

  /// Takes an entry in, and what it hides.
  private mutating func note(
    _ entry: borrowing TreeEntry, _ above: Above, _ lower: LowerLayers,
    _ mountPoints: Set<[UInt8]>, _ entries: inout [Upper]
  ) throws(Failure) -> Above {
    let below = try lower.find(entry.path, in: above.layers)
    var upper = Upper(
      path: entry.path, depth: entry.depth, kind: nil, isKept: true, isMountPoint: false)
    if entry.status.isWhiteout {
      if below == nil || above.isCovered {
        omitted.insert(entry.path)
      } else {
        upper.kind = .deleted
        entries.append(upper)
      }
      return Above(layers: [], isCovered: true)
    }
    let isDirectory = entry.status.kind == .directory
    let shown = below?.layers ?? []
    let isOpaque = isDirectory ? try LowerLayers.isOpaque(entry) : true
    let isCovered = above.isCovered || isOpaque
    if let below {
      if try LayerDiff.differs(entry, below) { upper.kind = .modified }
    } else {
      upper.kind = .added
      let isBare = isDirectory || (entry.status.kind == .regular && entry.status.size == 0)
      upper.isMountPoint = isBare && mountPoints.contains(entry.path)
    }
    upper.isKept = !isDirectory || (isCovered && !shown.isEmpty)
    if isCovered, !shown.isEmpty {
      if isDirectory, !above.isCovered { opaque.insert(entry.path) }
      if try noteHidden(entry, lower, shown), upper.kind == nil { upper.kind = .modified }
    }
    entries.append(upper)
    return Above(layers: shown, isCovered: isCovered)
  }

  /// What a covered directory, or what replaced a directory, does not show any more; false for nothing.
  private mutating func noteHidden(
    _ entry: borrowing TreeEntry, _ lower: LowerLayers, _ layers: [Int]
  ) throws(Failure) -> Bool {
    var present: Set<[UInt8]> = []
    if entry.status.kind == .directory {
      let directory = try entry.openDirectory()
      for name in try DirectoryEntries.names(of: directory) {
        let found = try TreeEntry.find(name, in: directory.raw, path: name)
        if let found, !found.status.isWhiteout { present.insert(name) }
      }
    }
    let before = changes.count
    for name in try lower.names(in: entry.path, layers) where !present.contains(name) {
      changes.append(Change(kind: .deleted, path: entry.path + [UInt8(ascii: "/")] + name))
    }
    return changes.count > before
  }

  /// Decides from the deepest entry up which directories and mount points count.
  private mutating func settle(_ entries: [Upper]) {
    // At each depth, whether one of the entries seen since the directory above them changed or is kept.
    var levels: [(changed: Bool, kept: Bool)] = []
    for entry in entries.reversed() {
      while levels.count <= entry.depth + 1 { levels.append((false, false)) }
      let inside = levels[entry.depth + 1]
      levels.removeSubrange((entry.depth + 1)...)
      if entry.isMountPoint && !inside.kept {
        omitted.insert(entry.path)
        continue
      }
      if entry.kind != nil || entry.isKept || inside.kept {
        levels[entry.depth].kept = true
        isEmpty = false
      } else {
        omitted.insert(entry.path)
      }
      if let kind = entry.kind ?? (inside.changed ? .modified : nil) {
        levels[entry.depth].changed = true
        changes.append(Change(kind: kind, path: entry.path))
      }
    }
  }

  // docker's comparison (moby, pkg/archive, statDifferent).
  private static func differs(
    _ entry: borrowing TreeEntry, _ below: LowerLayers.Found
  ) throws(Failure) -> Bool {
    let (new, old) = (entry.status, below.status)
    guard new.kind == old.kind, new.mode == old.mode, new.user == old.user, new.group == old.group,
      new.major == old.major, new.minor == old.minor
    else { return true }
    if new.kind == .directory { return false }
    guard new.size == old.size, new.modified == old.modified else { return true }
    return try ExtendedAttributes.value(
      of: entry.handle.raw, ExtendedAttribute.capability, object: entry.path) != below.capability
  }

  private static func refuseRedirects(_ entry: borrowing TreeEntry) throws(Failure) {
    guard entry.status.kind == .directory || entry.status.kind == .regular else { return }
    for feature in ["redirect", "metacopy"] {
      let name = Array("trusted.overlay.\(feature)".utf8)
      guard try ExtendedAttributes.value(of: entry.handle.raw, name, object: entry.path) != nil
      else { continue }
      throw Failure(
        .unsupported, "compare", Root.printable(entry.path),
        reason: "overlayfs wrote it with its option \(feature)",
        remedy: "turn it off: echo N > /sys/module/overlay/parameters/"
          + (feature == "redirect" ? "redirect_dir" : feature))
    }
  }
}
