import CLinux
import Glibc

// What every kind of entry needs: its directory, what replaces what, owners and attributes.
extension LiveTreeWriter {
  mutating func make(
    _ path: [UInt8], _ operation: String, _ metadata: TreeWriter.Metadata,
    _ call: (Int32, UnsafePointer<CChar>) -> Int32
  ) throws(Failure) {
    let (above, name) = try place(path)
    for _ in 0..<Self.attempts {
      if name.withCStringBytes({ call(above.raw, $0) }) == 0 {
        return try dress(made: name, in: above, path, metadata)
      }
      guard Glibc.errno == EEXIST else { throw .last(operation, shown(path)) }
      try remove(name, in: above, path)
    }
    throw contested(path)
  }

  // The mode was given at the making; whatever has the name by now is at most given another owner.
  private func dress(
    made name: [UInt8], in above: SharedDescriptor, _ path: [UInt8],
    _ metadata: TreeWriter.Metadata
  ) throws(Failure) {
    let owned = name.withCStringBytes {
      fchownat(above.raw, $0, metadata.user, metadata.group, AT_SYMLINK_NOFOLLOW)
    }
    if owned < 0 { throw .last("change owner of", shown(path)) }
    if !metadata.attributes.isEmpty,
      let entry = try TreeEntry.find(Array(name.dropLast()), in: above.raw, path: path)
    {
      for attribute in metadata.attributes {
        try ExtendedAttributes.set(attribute, of: entry.handle.raw, object: path)
      }
    }
    var times = [metadata.accessed.value, metadata.modified.value]
    if name.withCStringBytes({ utimensat(above.raw, $0, &times, AT_SYMLINK_NOFOLLOW) }) < 0 {
      throw .last("set times of", shown(path))
    }
  }

  func dress(
    _ handle: Int32, _ path: [UInt8], _ metadata: TreeWriter.Metadata
  ) throws(Failure) {
    try check("change owner of", shown(path)) { fchown(handle, metadata.user, metadata.group) }
    try check("change mode of", shown(path)) { fchmod(handle, metadata.mode & 0o7777) }
    for attribute in metadata.attributes {
      try ExtendedAttributes.set(attribute, of: handle, object: path)
    }
    if let list = metadata.accessList {
      let attribute = ExtendedAttribute(name: ExtendedAttribute.accessList, value: list)
      try ExtendedAttributes.set(attribute, of: handle, object: path)
    }
  }

  func setTimes(
    _ handle: Int32, _ path: [UInt8], _ metadata: TreeWriter.Metadata
  ) throws(Failure) {
    var times = [metadata.accessed.value, metadata.modified.value]
    try check("set times of", shown(path)) { futimens(handle, &times) }
  }

  func remove(
    _ name: [UInt8], in above: SharedDescriptor, _ path: [UInt8]
  ) throws(Failure) {
    // unlink(2) never removes a directory, whatever is exchanged in between.
    if name.withCStringBytes({ unlinkat(above.raw, $0, 0) }) == 0 { return }
    switch Glibc.errno {
    case ENOENT: return
    case EISDIR, EPERM:
      throw Failure(
        .refused, "copy to", shown(path), reason: "what is no directory cannot overwrite one",
        remedy: "remove it first")
    default: throw .last("replace", shown(path))
    }
  }

  func contested(_ path: [UInt8]) -> Failure {
    Failure(.inUse, "copy to", shown(path), reason: "somebody else keeps making this entry")
  }

  func shown(_ path: [UInt8]) -> String { name + "/" + Root.printable(path) }

  func entryName(_ leaf: [UInt8], _ path: [UInt8]) throws(Failure) -> [UInt8] {
    guard !leaf.isEmpty, leaf != [46, 46], !leaf.contains(0) else {
      throw Failure(
        .refused, "create", shown(path), reason: "the path names no entry of a directory")
    }
    return leaf + [0]
  }

  mutating func place(
    _ path: [UInt8]
  ) throws(Failure) -> (above: SharedDescriptor, name: [UInt8]) {
    let (parent, leaf) = Root.split(bytes: path)
    let name = try entryName(leaf, path)
    return (try open(parent: parent), name)
  }

  /// The directory of an entry, kept for the next entry of the same one.
  mutating func open(parent: [UInt8]) throws(Failure) -> SharedDescriptor {
    if let parentHandle, parentPath == parent { return parentHandle }
    let handle = SharedDescriptor(try makeParents(parent))
    // With the host's rights, what the kernel shows as files is no place for a stranger's bytes.
    guard !handle.descriptor.isOnPseudoFileSystem else {
      throw Failure(
        .refused, "copy to", shown(parent), reason: "it is one of the kernel's own file systems")
    }
    parentPath = parent
    parentHandle = handle
    return handle
  }

  private func makeParents(_ path: [UInt8]) throws(Failure) -> Descriptor {
    do throws(Failure) { return try look(path, O_RDONLY | O_DIRECTORY) } catch
      where error.errno == ENOENT && links != .refused
    {}
    let (parent, leaf) = Root.split(bytes: path)
    let name = try entryName(leaf, path)
    let above = try makeParents(parent)
    if name.withCStringBytes({ mkdirat(above.raw, $0, 0o755) }) < 0 && Glibc.errno != EEXIST {
      throw .last("create directory", shown(path))
    }
    return try look(path, O_RDONLY | O_DIRECTORY)
  }

  /// One look-up below the directory, confined as ``Links`` says.
  func look(_ path: [UInt8], _ flags: Int32) throws(Failure) -> Descriptor {
    // BENEATH refuses what begins with a slash; an archive's "/etc/x" means "etc/x" here.
    let path = Array(path.drop { $0 == UInt8(ascii: "/") })
    let terminated = (path.isEmpty ? [46] : path) + [0]
    for _ in 0..<1000 {
      let fd = terminated.withCStringBytes {
        clx_openat2(
          base.raw, $0, UInt64(UInt32(bitPattern: flags | O_CLOEXEC)), 0, links.resolve)
      }
      if fd >= 0 { return Descriptor(owning: fd) }
      switch Glibc.errno {
      case EINTR, EAGAIN: continue
      case EXDEV:
        throw Failure(
          .refused, "copy to", shown(path), reason: "the path leads out of \(name)")
      default: throw .last("open", shown(path))
      }
    }
    throw contested(path)
  }
}
