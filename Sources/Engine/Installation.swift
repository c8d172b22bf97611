import Image
import Linux
import Net

/// Where one minidock keeps everything: a durable root and a run root that a reboot empties.
///
///     <root>/      blobs/ images and layers (ImageStore), containers/<id>/, names/<name>, networks/
///     <runRoot>/   containers/<id> (pid and what was made on the host), leases/, trash
///
/// Several installations may live side by side on one host; they share nothing.
public struct Installation: Sendable {
  /// Absolute; survives a reboot.
  public let root: String
  /// Absolute; meant for a tmpfs, so that a reboot leaves no record of processes behind.
  public let runRoot: String
  /// With which this process changes packet rules.
  let netfilter = NetfilterSocket()

  /// The places used when nothing else is said.
  public static let defaultRoot = "/var/lib/minidock"
  /// Goes with ``defaultRoot``; two installations must share neither.
  public static let defaultRunRoot = "/run/minidock"

  /// Opens an installation, making its directories (0700) where missing.
  ///
  /// - Throws: ``Failure/Code/refused`` when a directory belongs to somebody else or is open to others
  ///   (security row 32), ``Failure/Code/refused`` without root.
  public init(root: String = defaultRoot, runRoot: String = defaultRunRoot) throws(Failure) {
    guard ThisProcess.isRoot else {
      throw Failure(
        .refused, "start", "minidock", reason: "it needs root",
        remedy: "run it with sudo; containers without root are not supported yet")
    }
    self.root = try Installation.absolute(root)
    self.runRoot = try Installation.absolute(runRoot)
    for path in [self.root, self.runRoot, containers, runs, names] {
      try Files.makeDirectories(path, mode: 0o700)
    }
    for path in [self.root, self.runRoot] { try Installation.checkPrivate(path) }
  }

  var containers: String { root + "/containers" }
  var names: String { root + "/names" }
  var trash: String { root + "/trash" }
  var volumes: String { root + "/volumes" }
  var runs: String { runRoot + "/containers" }
  var seccompCache: String { root + "/cache" }

  /// The cgroup below which containers get theirs: "/minidock", with something of the root's own in it
  /// when that is not the standard one, so that no installation takes another's groups for leftovers.
  func cgroupParent(_ requested: String? = nil) -> String {
    if let requested, !requested.isEmpty {
      return requested.hasPrefix("/") ? requested : "/" + requested
    }
    if root == Installation.defaultRoot { return "/minidock" }
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in root.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    return "/minidock-" + hex((0..<4).map { UInt8(truncatingIfNeeded: hash >> ($0 * 8)) })
  }

  /// The images of this installation.
  public func imageStore() throws(Failure) -> ImageStore { try ImageStore(root: root) }

  /// The names of this installation's containers on its networks.
  public var nameBook: NameBook { NameBook(folder: runRoot + "/names") }

  /// The host's side of this installation's networks.
  public func networkHost() -> NetworkHost {
    NetworkHost(stateRoot: root, runRoot: runRoot, netfilter: netfilter)
  }

  private static func absolute(_ path: String) throws(Failure) -> String {
    guard !path.isEmpty, !path.utf8.contains(0) else {
      throw Failure(.invalid, "use root", path, reason: "it is no path")
    }
    var path = path
    while path.count > 1 && path.hasSuffix("/") { path.removeLast() }
    if path.hasPrefix("/") { return path }
    guard let current = ThisProcess.currentDirectory else {
      throw Failure(.notFound, "use root", path, reason: "there is no current directory")
    }
    return current + "/" + path
  }

  private static func checkPrivate(_ path: String) throws(Failure) {
    let info = try FileStatus(path, followingLinks: false)
    guard info.kind == .directory, info.owner == 0, info.permissions & 0o022 == 0 else {
      throw Failure(
        .refused, "use", path, reason: "it is not a directory that only root can write to",
        remedy: "chown root and chmod 0700 it, or choose another --root and --runroot")
    }
    if info.permissions & 0o077 != 0 { try Files.setPermissions(path, 0o700) }
  }
}
