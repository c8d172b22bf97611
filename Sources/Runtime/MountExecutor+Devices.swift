import Linux

// Nodes, links and the terminal below /dev, by the descriptor of the tmpfs there.
extension MountExecutor {
  func makeDevice(
    _ path: String, _ kind: DeviceKind, _ major: UInt32, _ minor: UInt32, _ mode: UInt32,
    _ uid: UInt32, _ gid: UInt32
  ) throws(Failure) {
    let (folder, name) = try MountExecutor.split(path)
    let parent = try openBelowDev(folder, path)
    if bindsDevices, kind != .fifo {
      return try bindDevice(path, kind, major, minor, below: parent, name)
    }
    try parent.makeNode(name, kind.fileKind, mode: mode, major: major, minor: minor)
    if uid != 0 || gid != 0 { try parent.changeOwner(name, uid: uid, gid: gid) }
  }

  // In a user namespace mknod(2) is refused: the host's own node is bound, once it is seen to be that one.
  private func bindDevice(
    _ path: String, _ kind: DeviceKind, _ major: UInt32, _ minor: UInt32,
    below parent: borrowing Descriptor, _ name: String
  ) throws(Failure) {
    let clone = try DetachedMount.clone(path: path, recursive: false)
    let found = try clone.descriptor.fileStatus()
    guard found.kind == kind.fileKind, found.major == major, found.minor == minor else {
      throw Failure(
        .unsupported, "create device", path,
        reason: "the host's own node there has other numbers, and a user namespace can make none")
    }
    let location = try parent.open(name, .createNew(mode: 0o644))
    try clone.attach(to: location, object: path)
  }

  func makeLink(to target: String, at path: String) throws(Failure) {
    let (folder, name) = try MountExecutor.split(path)
    try openBelowDev(folder, path).makeLink(name, to: target)
  }

  // "/dev/net/tun" is ("net", "tun").
  private static func split(_ path: String) throws(Failure) -> ([String], String) {
    let components = path.dropFirst(5).split(separator: "/").map(String.init)
    guard path.hasPrefix("/dev/"), let name = components.last, !components.contains(".."),
      !components.contains(".")
    else { throw Failure(.invalid, "create", path, reason: "it is no plain path below /dev") }
    return (components.dropLast(), name)
  }

  // The tmpfs is minidock's own and nobody else can reach it yet, so that its folders are safe to make
  // one after the other.
  private func openBelowDev(_ folders: [String], _ path: String) throws(Failure) -> Descriptor {
    guard let number = devNumber else {
      throw Failure(.invalid, "create", path, reason: "the container has no /dev of its own")
    }
    var directory = try Descriptor.duplicate(of: number)
    for folder in folders { directory = try directory.makeDirectory(folder) }
    return directory
  }

  mutating func attachConsole() throws(Failure) {
    guard hasDevpts, let pts = devpts.take() else {
      throw Failure(.invalid, "open terminal", reason: "the container has no /dev/pts of its own")
    }
    let pair = try Terminal.openPair(devpts: pts)
    // With somebody else's directory in the place of /dev the console must be there, and be no link.
    let location =
      if let device = devNumber {
        try Descriptor.duplicate(of: device).open("console", .createNew(mode: 0o620))
      } else {
        try root.locate("/dev/console", noSymlinks: true)
      }
    let clone = try DetachedMount.clone(pair.peer, object: "/dev/console")
    try clone.attach(to: location, object: "/dev/console")
    terminal = consume pair
  }
}
