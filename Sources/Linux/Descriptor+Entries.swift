import CLinux
import Glibc

/// Entries of an open directory, by one plain name each: no path is walked.
extension Descriptor {
  /// Makes a device node or fifo (mknodat(2)); an entry of this name is replaced.
  public func makeNode(
    _ name: String, _ kind: FileStatus.Kind, mode: UInt32, major: UInt32, minor: UInt32
  ) throws(Failure) {
    let type: mode_t =
      switch kind {
      case .characterDevice: S_IFCHR
      case .blockDevice: S_IFBLK
      default: S_IFIFO
      }
    let device = clx_makedev(major, minor)
    if mknodat(raw, name, type | mode_t(mode & 0o7777), device) == 0 { return }
    guard Glibc.errno == EEXIST else { throw .last("create device", name) }
    unlinkat(raw, name, 0)
    try check("create device", name) {
      mknodat(raw, name, type | mode_t(mode & 0o7777), device)
    }
  }

  /// Changes the owner of an entry, not following a link.
  public func changeOwner(_ name: String, uid: UInt32, gid: UInt32) throws(Failure) {
    try check("change owner of", name) { fchownat(raw, name, uid, gid, AT_SYMLINK_NOFOLLOW) }
  }

  /// Makes a symbolic link unless an entry of this name exists.
  public func makeLink(_ name: String, to target: String) throws(Failure) {
    if symlinkat(target, raw, name) < 0 && Glibc.errno != EEXIST {
      throw .last("create link", name)
    }
  }

  /// Makes a directory unless it exists, and opens it.
  public func makeDirectory(_ name: String, mode: UInt32 = 0o755) throws(Failure) -> Descriptor {
    if mkdirat(raw, name, mode_t(mode)) < 0 && Glibc.errno != EEXIST {
      throw .last("create directory", name)
    }
    return try open(name, .directory)
  }
}
