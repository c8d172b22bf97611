import Linux

/// Unpacks a tar into a layer's tree, in the confined child.
///
/// Security rows 20 to 23: what an entry may be is decided here, where it may go by ``TreeWriter``, how
/// much there may be by ``ImportLimits``.
struct Unpacker: ~Copyable {
  private let tar: TarReader
  private var writer: TreeWriter
  private let limits: ImportLimits
  private let directory: Int32
  private let freeFloor: Int64
  private var entries = 0
  private var apparent: Int64 = 0
  private var unchecked: Int64 = 0
  private var waiting: [Waiting] = []

  /// An entry whose ACLs have names in them.
  private struct Waiting {
    var path: [UInt8]
    var inode: UInt64
    var access: AccessList?
    var initial: AccessList?
  }

  /// Bytes of content written.
  private(set) var size: Int64 = 0

  /// Unpacks below `root`.
  init(
    _ source: CheckedStream, into root: consuming Root, hasLowerLayers: Bool, limits: ImportLimits
  ) throws(Failure) {
    let handle = root.directory.raw
    let floor = try FreeSpace.floor(handle, limits)
    let reader = try TarReader(source)
    directory = handle
    freeFloor = floor
    tar = reader
    self.limits = limits
    writer = TreeWriter(root, hasLowerLayers: hasLowerLayers)
  }

  /// Runs to the end of the archive.
  mutating func run() throws(Failure) {
    while try tar.next() {
      entries += 1
      guard entries <= limits.entries else {
        throw Failure(
          .refused, "unpack", "layer", reason: "it has more than \(limits.entries) entries")
      }
      try unpackEntry()
    }
    try setNamedLists()
    try writer.finish()
  }

  /// ACLs with names wait until the image's own accounts are there.
  private mutating func setNamedLists() throws(Failure) {
    guard !waiting.isEmpty else { return }
    let accounts = try Accounts(writer.root)
    for var entry in waiting {
      try entry.access?.resolve(accounts, path: entry.path)
      try entry.initial?.resolve(accounts, path: entry.path)
      try writer.setAccessLists(
        of: entry.path, inode: entry.inode, access: entry.access?.bytes,
        initial: entry.initial?.bytes)
    }
  }

  private mutating func unpackEntry() throws(Failure) {
    guard let path = tar.path, !path.isEmpty else {
      throw Failure(.corrupt, "unpack", "layer", reason: "an entry has no name")
    }
    guard path.count <= limits.path else {
      throw refused(path, "its path is longer than \(limits.path) bytes")
    }
    switch try Whiteout(path) {
    case .none: break
    case .metadata: return
    case .hides(let hidden): return try writer.makeWhiteout(hidden)
    case .opaque(let directory): return try writer.makeOpaque(directory)
    }
    if let target = tar.hardLink {
      guard target.count <= limits.path else { throw refused(path, "its link is too long") }
      return try writer.makeHardLink(path, target: target)
    }
    var metadata = try tar.metadata(limits)
    let (access, initial) = try tar.accessLists()
    metadata.accessList = access?.bytes
    metadata.defaultList = initial?.bytes
    try unpack(path, metadata)
    if (access != nil && metadata.accessList == nil)
      || (initial != nil && metadata.defaultList == nil)
    {
      guard waiting.count < limits.namedLists else {
        throw refused(path, "too many ACLs have names instead of numbers")
      }
      waiting.append(
        Waiting(
          path: path, inode: try writer.inode(of: path), access: access, initial: initial))
    }
  }

  private mutating func unpack(
    _ path: [UInt8], _ metadata: TreeWriter.Metadata
  ) throws(Failure) {
    switch tar.kind {
    case .regular: try unpackFile(path, metadata)
    case .directory: try writer.makeDirectory(path, metadata)
    case .symbolicLink:
      guard let target = tar.symbolicLink, !target.isEmpty else {
        throw refused(path, "a symbolic link without a target")
      }
      try writer.makeLink(path, target: target, metadata)
    case .fifo: try writer.makeNode(path, .fifo, metadata)
    case .characterDevice:
      let (major, minor) = try deviceNumber(path)
      try writer.makeNode(path, .character(major: major, minor: minor), metadata)
    case .blockDevice:
      let (major, minor) = try deviceNumber(path)
      try writer.makeNode(path, .block(major: major, minor: minor), metadata)
    case .socket, .unknown: throw refused(path, "its type is none that an image can hold")
    }
  }

  private mutating func unpackFile(
    _ path: [UInt8], _ metadata: TreeWriter.Metadata
  ) throws(Failure) {
    let declared = tar.size
    guard declared >= 0, declared <= limits.apparentBytes - apparent else {
      throw refused(path, "its size \(declared) is out of range")
    }
    apparent += declared
    let name = Root.printable(path)
    let file = try writer.createFile(path)
    var received: Int64 = 0
    var end: Int64 = 0
    try tar.readContent { (bytes, offset) throws(Failure) in
      guard offset >= end, offset <= declared - Int64(bytes.count) else {
        throw Failure(.corrupt, "unpack", name, reason: "its content exceeds its size")
      }
      try checkSpace(Int64(bytes.count))
      try FileBytes.write(file.raw, bytes, at: offset, object: name)
      received += Int64(bytes.count)
      end = offset + Int64(bytes.count)
    }
    guard received == declared || tar.isSparse else {
      throw Failure(
        .corrupt, "unpack", name, reason: "\(received) bytes instead of \(declared)")
    }
    if end != declared { try FileBytes.setLength(file.raw, declared, object: name) }
    size += received
    try writer.finish(file: file, path: path, metadata)
  }

  /// Looks at the file system every 32 MiB.
  private mutating func checkSpace(_ count: Int64) throws(Failure) {
    unchecked += count
    guard unchecked >= 32 << 20 else { return }
    unchecked = 0
    try FreeSpace.check(directory, floor: freeFloor, "unpack", "layer")
  }

  private func deviceNumber(_ path: [UInt8]) throws(Failure) -> (UInt32, UInt32) {
    // Linux has 12 bits of major and 20 of minor numbers (new_encode_dev).
    guard tar.major < 1 << 12, tar.minor < 1 << 20 else {
      throw refused(path, "its device number \(tar.major):\(tar.minor) is out of range")
    }
    return (UInt32(tar.major), UInt32(tar.minor))
  }

  private func refused(_ path: [UInt8], _ reason: String) -> Failure {
    Failure(.refused, "unpack", Root.printable(path), reason: reason)
  }
}

/// The names with which a layer hides what lies below it (OCI image-spec, layer.md, "Whiteouts").
enum Whiteout: Equatable {
  /// An ordinary entry.
  case none
  /// AUFS's own files, which mean nothing to an image.
  case metadata
  /// This path of the lower layers is hidden.
  case hides([UInt8])
  /// Everything below this directory in the lower layers is hidden.
  case opaque([UInt8])

  private static let prefix = Array(".wh.".utf8)

  /// - Throws: for names such as ".wh..", whose removal would reach the parent, and for directories that
  ///   are called like a whiteout.
  init(_ path: [UInt8]) throws(Failure) {
    let (parent, leaf) = Root.split(bytes: path)
    for component in parent.split(separator: UInt8(ascii: "/"))
    where component.starts(with: Self.prefix) {
      throw Failure(
        .refused, "unpack", Root.printable(path), reason: "a directory is named like a whiteout")
    }
    guard leaf.starts(with: Self.prefix) else {
      self = .none
      return
    }
    let rest = Array(leaf.dropFirst(Self.prefix.count))
    if rest == Array(".wh..opq".utf8) {
      self = .opaque(parent)
    } else if rest.starts(with: Self.prefix) {
      self = .metadata
    } else if rest.isEmpty || rest == [46] || rest == [46, 46] {
      throw Failure(
        .refused, "unpack", Root.printable(path), reason: "a whiteout that hides no entry")
    } else {
      self = .hides(parent + [UInt8(ascii: "/")] + rest)
    }
  }
}

/// The room that an import leaves in the store's file system.
enum FreeSpace {
  static func floor(_ file: Int32, _ limits: ImportLimits) throws(Failure) -> Int64 {
    min(limits.freeSpace, try FileBytes.space(of: file).total / 20)
  }

  static func check(
    _ file: Int32, floor: Int64, _ operation: String, _ object: String
  ) throws(Failure) {
    let free = try FileBytes.space(of: file).free
    guard free >= floor else {
      throw Failure(
        .refused, operation, object,
        reason: "only \(free >> 20) MiB are left on the disk, \(floor >> 20) MiB must stay free",
        remedy: "free some space or move the store with --root")
    }
  }
}
