import Linux

/// What differs between the file systems of two images, found in their layers without mounting anything.
public struct ImageComparison: Sendable {
  /// A difference.
  public struct Change: Sendable, Equatable {
    /// Added, changed or deleted on the way from the first image to the second.
    public var kind: LayerDiff.Kind
    /// Without a slash in front.
    public var path: [UInt8]
    /// Bytes of content in the first image, with all that is below a directory that is gone.
    public var before: Int64
    /// Bytes of content in the second image.
    public var after: Int64
  }

  /// By path; below a directory that is gone nothing is listed.
  public private(set) var changes: [Change] = []
  private let first: LowerLayers
  private let second: LowerLayers
  private let firstPaths: [String]
  private let secondPaths: [String]

  /// Compares two images.
  ///
  /// Files are taken for equal when kind, owner, mode, size and time of modification are, as docker does.
  public init(_ first: ImageRecord, _ second: ImageRecord) throws(Failure) {
    firstPaths = first.layers.map(\.path).reversed()
    secondPaths = second.layers.map(\.path).reversed()
    self.first = try LowerLayers(first.layers.map(\.path))
    self.second = try LowerLayers(second.layers.map(\.path))
    try compare([], self.first.all, self.second.all, depth: 0)
  }

  private mutating func compare(
    _ path: [UInt8], _ old: [Int], _ new: [Int], depth: Int
  ) throws(Failure) {
    // What the same layers show is the same.
    if old.map({ firstPaths[$0] }) == new.map({ secondPaths[$0] }) { return }
    guard depth < 2000 else {
      throw Failure(.refused, "compare", "images", reason: "their directories are nested too deep")
    }
    let before = old.isEmpty ? [] : try first.names(in: path, old)
    let after = new.isEmpty ? [] : try second.names(in: path, new)
    let names = Set(before).union(after).sorted { $0.lexicographicallyPrecedes($1) }
    for name in names {
      let entry = path.isEmpty ? name : path + [UInt8(ascii: "/")] + name
      let was = try first.find(entry, in: old)
      let now = try second.find(entry, in: new)
      guard let now else {
        guard let was else { continue }
        changes.append(
          Change(
            kind: .deleted, path: entry, before: try size(entry, was, first, depth: depth), after: 0
          ))
        continue
      }
      if let was {
        if differs(was, now) {
          changes.append(
            Change(
              kind: .modified, path: entry, before: was.content, after: now.content))
        }
      } else {
        changes.append(Change(kind: .added, path: entry, before: 0, after: now.content))
      }
      if now.status.kind == .directory {
        try compare(entry, was?.layers ?? [], now.layers, depth: depth + 1)
      }
    }
  }

  private func differs(_ was: LowerLayers.Found, _ now: LowerLayers.Found) -> Bool {
    let (old, new) = (was.status, now.status)
    guard old.kind == new.kind, old.mode == new.mode, old.user == new.user, old.group == new.group,
      old.major == new.major, old.minor == new.minor
    else { return true }
    if new.kind == .directory { return false }
    return old.size != new.size || old.modified != new.modified || was.capability != now.capability
  }

  /// The content of a tree.
  private func size(
    _ path: [UInt8], _ found: LowerLayers.Found, _ layers: LowerLayers, depth: Int
  ) throws(Failure) -> Int64 {
    guard found.status.kind == .directory, depth < 2000 else { return found.content }
    var total: Int64 = 0
    for name in try layers.names(in: path, found.layers) {
      let entry = path + [UInt8(ascii: "/")] + name
      guard let inner = try layers.find(entry, in: found.layers) else { continue }
      total += try size(entry, inner, layers, depth: depth + 1)
    }
    return total
  }
}

extension LowerLayers.Found {
  /// Bytes of content.
  var content: Int64 { status.kind == .regular ? status.size : 0 }
}

/// What one layer of an image changes, in numbers.
public struct LayerChanges: Sendable {
  /// Entries that were not there before.
  public var added = 0
  /// Entries that were there otherwise.
  public var changed = 0
  /// Entries that are gone.
  public var deleted = 0

  /// Counts what layer `index` of an image changes.
  public init(_ image: ImageRecord, layer index: Int) throws(Failure) {
    let upper = try Descriptor.open(image.layers[index].path, .directory)
    if index == 0 {
      try TreeWalker.walk(upper, name: "layer") { (entry) throws(Failure) in
        if entry.depth > 0 { added += 1 }
        return .descend
      }
      return
    }
    let diff = try LayerDiff(upper: upper, layers: image.layers[..<index].map(\.path))
    for change in diff.changes {
      switch change.kind {
      case .added: added += 1
      case .modified: changed += 1
      case .deleted: deleted += 1
      }
    }
  }
}
