import Linux

/// What the layers below an upper directory show at a path, by overlayfs's rules: the uppermost entry
/// counts, a whiteout hides, directories merge down to one that is opaque.
///
/// The layers are unpacked archives of strangers: they are looked into by descriptors, without a link.
struct LowerLayers {
  /// Open tops of the layers, the uppermost first.
  private let tops: [SharedDescriptor]

  /// An entry that shows through.
  struct Found {
    var status: EntryStatus
    var capability: [UInt8]?
    /// The layers whose directories merge here, uppermost first; empty for what is no directory.
    var layers: [Int]
  }

  /// - Parameter paths: the unpacked layers, lowest first.
  init(_ paths: [String]) throws(Failure) {
    var tops: [SharedDescriptor] = []
    for path in paths.reversed() {
      tops.append(SharedDescriptor(try Descriptor.open(path, .directory)))
    }
    self.tops = tops
  }

  /// The top of the merged tree.
  var all: [Int] { Array(tops.indices) }

  /// What shows at `path`, when its parent is merged from `layers`; nil for nothing.
  func find(_ path: [UInt8], in layers: [Int]) throws(Failure) -> Found? {
    var found: Found?
    for layer in layers {
      guard let entry = try entry(path, layer) else { continue }
      if entry.status.isWhiteout { break }
      let isDirectory = entry.status.kind == .directory
      if found == nil {
        found = Found(
          status: entry.status,
          capability: isDirectory
            ? nil
            : try ExtendedAttributes.value(
              of: entry.handle.raw, ExtendedAttribute.capability, object: path),
          layers: [])
      }
      guard isDirectory else { break }
      found?.layers.append(layer)
      if try LowerLayers.isOpaque(entry) { break }
    }
    return found
  }

  /// The names that show in a directory merged from `layers`, sorted.
  func names(in path: [UInt8], _ layers: [Int]) throws(Failure) -> [[UInt8]] {
    var shown: Set<[UInt8]> = []
    var hidden: Set<[UInt8]> = []
    for layer in layers {
      guard let directory = try entry(path, layer), directory.status.kind == .directory else {
        continue
      }
      var marks: [[UInt8]] = []
      let handle = try directory.openDirectory()
      for name in try DirectoryEntries.names(of: handle) where !hidden.contains(name) {
        guard let entry = try TreeEntry.find(name, in: handle.raw, path: name) else { continue }
        if entry.status.isWhiteout { marks.append(name) } else { shown.insert(name) }
      }
      // A whiteout hides what is below its own layer.
      hidden.formUnion(marks.filter { !shown.contains($0) })
    }
    return shown.sorted { $0.lexicographicallyPrecedes($1) }
  }

  private func entry(_ path: [UInt8], _ layer: Int) throws(Failure) -> TreeEntry? {
    do throws(Failure) {
      let location = try Root.locate(path.isEmpty ? [46] : path, below: tops[layer].descriptor)
      return try TreeEntry(location, path: path)
    } catch  where LowerLayers.isAbsence(error.errno) {
      return nil
    }
  }

  // A path that a layer cannot hold, as it is too long or leads through a file, is not in it.
  private static func isAbsence(_ number: Int32) -> Bool {
    [
      ErrorNumber.noEntry, ErrorNumber.notDirectory, ErrorNumber.linkLoop, ErrorNumber.nameTooLong,
    ].contains(number)
  }

  /// Whether a directory of a layer or upper directory hides what is below it.
  static func isOpaque(_ entry: borrowing TreeEntry) throws(Failure) -> Bool {
    let name = Array("trusted.overlay.opaque".utf8)
    return try ExtendedAttributes.value(of: entry.handle.raw, name, object: entry.path)
      == [UInt8(ascii: "y")]
  }
}
