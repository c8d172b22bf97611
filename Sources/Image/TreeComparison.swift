import Linux

/// Compares two trees entry by entry, content included.
enum TreeComparison {
  private final class Walk {
    var entries: [(path: [UInt8], status: EntryStatus)] = []
  }

  /// The first difference in words, nil for none. Access times do not count, nor what only the file
  /// system decides.
  static func first(
    _ expected: borrowing Descriptor, _ found: borrowing Descriptor
  ) throws(Failure) -> String? {
    let first = try entries(expected)
    let second = try entries(found)
    var groups: [FileIdentity: FileIdentity] = [:]
    var index = 0
    while index < max(first.count, second.count) {
      guard index < second.count else { return "\(name(first[index].path)) is missing" }
      guard index < first.count else { return "\(name(second[index].path)) was added" }
      let (old, new) = (first[index], second[index])
      guard old.path == new.path else {
        return old.path.lexicographicallyPrecedes(new.path)
          ? "\(name(old.path)) is missing" : "\(name(new.path)) was added"
      }
      if let what = difference(old.status, new.status) { return "\(what) of \(name(old.path))" }
      if old.status.links > 1, old.status.kind != .directory {
        let other = groups[old.status.identity]
        guard other == nil || other == new.status.identity else {
          return "the links of \(name(old.path))"
        }
        groups[old.status.identity] = new.status.identity
      }
      index += 1
    }
    return try contents(expected, found)
  }

  private static func name(_ path: [UInt8]) -> String { "/" + Root.printable(path) }

  private static func entries(
    _ tree: borrowing Descriptor
  ) throws(Failure) -> [(path: [UInt8], status: EntryStatus)] {
    let walk = Walk()
    try TreeWalker.walk(tree, name: "layer") { (entry) throws(Failure) in
      walk.entries.append((entry.path, entry.status))
      return .descend
    }
    return walk.entries.sorted { $0.path.lexicographicallyPrecedes($1.path) }
  }

  private static func difference(_ old: EntryStatus, _ new: EntryStatus) -> String? {
    if old.kind != new.kind { return "the type" }
    if old.mode != new.mode { return "the mode" }
    if old.user != new.user || old.group != new.group { return "the owner" }
    if (old.major, old.minor) != (new.major, new.minor) { return "the device number" }
    // A directory that the archive only implies has the time of its making, in each unpacking another.
    if old.kind == .directory { return nil }
    if old.size != new.size { return "the size" }
    if old.links != new.links { return "the number of links" }
    // A whiteout has the time of its making.
    return old.modified == new.modified || old.isWhiteout ? nil : "the time"
  }

  /// Content, link targets and attributes.
  private static func contents(
    _ expected: borrowing Descriptor, _ found: borrowing Descriptor
  ) throws(Failure) -> String? {
    let (left, right) = (
      UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 4096),
      UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 4096)
    )
    defer {
      left.deallocate()
      right.deallocate()
    }
    var problem: String?
    try TreeWalker.walk(expected, name: "layer") { (entry) throws(Failure) in
      if problem != nil { return .skip }
      let match = try TreeEntry(try locate(entry.path, below: found), path: entry.path)
      let (old, new) = (try entry.metadata(), try match.metadata())
      func sorted(_ list: [ExtendedAttribute]) -> [ExtendedAttribute] {
        list.sorted { $0.name.lexicographicallyPrecedes($1.name) }
      }
      if sorted(old.attributes) != sorted(new.attributes) || old.accessList != new.accessList
        || old.defaultList != new.defaultList
      {
        problem = "the attributes of \(name(entry.path))"
      } else if entry.status.kind == .symbolicLink {
        if try entry.linkTarget() != match.linkTarget() {
          problem = "the target of \(name(entry.path))"
        }
      } else if entry.status.kind == .regular {
        let a = try entry.openContent()
        let b = try match.openContent()
        if try !same(a, b, left, right) { problem = "the content of \(name(entry.path))" }
      }
      return .descend
    }
    return problem
  }

  /// An entry of a tree that may be deeper than a path can say (PATH_MAX): found piece by piece.
  private static func locate(
    _ path: [UInt8], below top: borrowing Descriptor
  ) throws(Failure) -> Descriptor {
    var rest = path[...]
    var place = try Root.locate([46], below: top)
    while !rest.isEmpty {
      let piece = rest.prefix(2048)
      let cut = piece.count < rest.count ? piece.lastIndex(of: UInt8(ascii: "/")) : nil
      place = try Root.locate(Array(rest[..<(cut ?? rest.endIndex)]), below: place)
      rest = cut.map { rest[($0 + 1)...] } ?? []
    }
    return place
  }

  private static func same(
    _ a: borrowing Descriptor, _ b: borrowing Descriptor, _ left: UnsafeMutableRawBufferPointer,
    _ right: UnsafeMutableRawBufferPointer
  ) throws(Failure) -> Bool {
    var offset: Int64 = 0
    while true {
      let one = try FileBytes.read(a.raw, into: left, at: offset)
      let two = try FileBytes.read(b.raw, into: right, at: offset)
      guard one == two else { return false }
      if one == 0 { return true }
      if !isSame(left, right, one) { return false }
      offset += Int64(one)
    }
  }

  /// Eight bytes at a time; the buffers are as long as whole words.
  private static func isSame(
    _ left: UnsafeMutableRawBufferPointer, _ right: UnsafeMutableRawBufferPointer, _ count: Int
  ) -> Bool {
    var index = 0
    while index + 8 <= count {
      guard
        left.load(fromByteOffset: index, as: UInt64.self)
          == right.load(fromByteOffset: index, as: UInt64.self)
      else { return false }
      index += 8
    }
    while index < count {
      if left[index] != right[index] { return false }
      index += 1
    }
    return true
  }
}
