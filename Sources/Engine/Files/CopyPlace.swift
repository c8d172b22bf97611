import Linux

/// What is copied: held from here on, whatever is renamed.
struct CopySource: ~Copyable {
  let entry: TreeEntry
  /// The name that the copy gets in an existing directory; empty when only the content is meant.
  let name: [UInt8]

  var isDirectory: Bool { entry.status.kind == .directory }

  /// Finds it, once, inside the root.
  ///
  /// - Parameter following: docker's `-L`: when it is a link, what it leads to is meant.
  init(_ path: CopyPath, in root: borrowing Root, following: Bool) throws(Failure) {
    entry = try CopySource.find(path, root, following)
    name = path.meansContent ? [] : path.base
  }

  private static func find(
    _ path: CopyPath, _ root: borrowing Root, _ following: Bool
  ) throws(Failure) -> TreeEntry {
    let whole = root.name + path.shown
    let entry: TreeEntry
    do throws(Failure) {
      entry = try look(path, root, following)
    } catch {
      guard error.errno != ErrorNumber.noEntry else {
        throw Failure(.notFound, "copy", whole, reason: "no such file or directory")
      }
      throw Failure(errno: error.errno, "copy", whole)
    }
    guard !entry.handle.isOnPseudoFileSystem else {
      throw Failure(
        .refused, "copy", whole, reason: "it belongs to one of the kernel's own file systems")
    }
    guard entry.status.kind != .socket else {
      throw Failure(.refused, "copy", whole, reason: "it is a socket")
    }
    return entry
  }

  private static func look(
    _ path: CopyPath, _ root: borrowing Root, _ following: Bool
  ) throws(Failure) -> TreeEntry {
    if path.assertsDirectory {
      return try TreeEntry(try root.locateDirectory(bytes: path.bytes), path: [])
    }
    let parent = try root.locateDirectory(bytes: path.parent)
    let location = try Root.locate(path.base, below: parent)
    if following, try location.entryStatus().kind == .symbolicLink {
      return try TreeEntry(try root.locate(bytes: path.bytes), path: [])
    }
    return try TreeEntry(location, path: [])
  }
}

/// Where a copy goes: a directory, held from here on, and a name in it.
struct CopyTarget: ~Copyable {
  let directory: Descriptor
  /// The name of what is copied in the directory; empty when a directory's content is meant.
  let name: [UInt8]
  /// For messages.
  let shown: String

  /// As docker follows links at the end of a destination.
  private static let mostLinks = 10

  /// Docker's rules of what a copy is called (docs.docker.com, "docker container cp").
  ///
  /// - Throws: ``Failure/Code/notFound`` when the directory above is missing, or the destination must be a
  ///   directory and is none; ``Failure/Code/refused`` when a directory would replace a file.
  init(
    _ path: CopyPath, in root: borrowing Root, sourceName: [UInt8], sourceIsDirectory: Bool
  ) throws(Failure) {
    let whole = root.name + path.shown
    var path = path
    if let existing = try CopyTarget.directory(path.bytes, root) {
      directory = existing
      name = sourceName
      shown = whole
      return
    }
    let mustBeDirectory = path.assertsDirectory
    for _ in 0...CopyTarget.mostLinks {
      guard let above = try CopyTarget.directory(path.parent, root) else {
        throw Failure(
          .notFound, "copy to", whole, reason: "there is no directory to copy to",
          remedy: "make it first")
      }
      let (kind, link) = try CopyTarget.look(path, above)
      if let link {
        path = path.following(link)
        continue
      }
      if kind != nil {
        try CopyTarget.check(kind, whole, mustBeDirectory, sourceIsDirectory)
      } else if mustBeDirectory && !sourceIsDirectory {
        throw Failure(
          .notFound, "copy to", whole, reason: "the directory does not exist",
          remedy: "make it first, or leave out the slash at the end")
      }
      directory = above
      name = path.base
      shown = whole
      return
    }
    throw Failure(errno: ErrorNumber.linkLoop, "copy to", whole)
  }

  // What has the name now, and where it leads when it is a link.
  private static func look(
    _ path: CopyPath, _ above: borrowing Descriptor
  ) throws(Failure) -> (kind: FileKind?, link: [UInt8]?) {
    guard let found = try TreeEntry.find(path.base, in: above.raw, path: path.bytes) else {
      return (nil, nil)
    }
    let kind = found.status.kind
    return (kind, kind == .symbolicLink ? try found.linkTarget() : nil)
  }

  private static func check(
    _ kind: FileKind?, _ whole: String, _ mustBeDirectory: Bool, _ sourceIsDirectory: Bool
  ) throws(Failure) {
    func refused(_ reason: String) -> Failure {
      Failure(.refused, "copy to", whole, reason: reason)
    }
    if sourceIsDirectory { throw refused("a directory cannot be copied to what is no directory") }
    if mustBeDirectory { throw refused("it is not a directory") }
    if kind != .regular { throw refused("it is neither a file nor a directory") }
  }

  private static func directory(
    _ path: [UInt8], _ root: borrowing Root
  ) throws(Failure) -> Descriptor? {
    do throws(Failure) { return try root.locateDirectory(bytes: path) } catch
      where error.errno == ErrorNumber.noEntry || error.errno == ErrorNumber.notDirectory
    {
      return nil
    } catch {
      throw Failure(errno: error.errno, "copy to", root.name + Root.printable(path))
    }
  }
}
