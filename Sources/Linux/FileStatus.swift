import CLinux
import Glibc

/// What stat(2) tells of a file.
public struct FileStatus: Sendable, Equatable {
  /// What kind of file it is.
  public enum Kind: Sendable, Equatable {
    case regular
    case directory
    case symbolicLink
    case characterDevice
    case blockDevice
    case fifo
    case socket
  }

  /// By the file type bits of st_mode (inode(7)); an unknown type counts as regular.
  public let kind: Kind
  /// Permission bits with setuid, setgid and sticky.
  public let permissions: UInt32
  /// The owner's user id, as this process's user namespace maps it.
  public let owner: UInt32
  /// The owning group's id, as this process's user namespace maps it.
  public let group: UInt32
  /// Bytes; of a symbolic link the length of its target.
  public let size: Int64
  /// Seconds since 1970 of the last change of its content.
  public let modified: Int64
  /// How many names it has; of a directory in most kernels' file systems 2 and one for each directory in it.
  public let links: UInt64
  /// The file system's number.
  public let device: UInt64
  /// The inode's number, unique in its file system.
  public let inode: UInt64
  /// The numbers of a device node.
  public let major: UInt32
  /// See ``major``; both are 0 for what is no device.
  public let minor: UInt32

  /// The file at a host path; links are followed unless said otherwise.
  ///
  /// - Throws: the call's failure.
  public init(_ path: String, followingLinks: Bool = true) throws(Failure) {
    var info = stat()
    try check("stat", path) {
      fstatat(AT_FDCWD, path, &info, followingLinks ? 0 : AT_SYMLINK_NOFOLLOW)
    }
    self.init(info)
  }

  /// What kind of file an open descriptor is; nil when it is not open.
  public static func kind(of descriptor: Int32) -> Kind? {
    var info = stat()
    return fstat(descriptor, &info) == 0 ? FileStatus(info).kind : nil
  }

  init(_ info: stat) {
    kind =
      switch info.st_mode & S_IFMT {
      case S_IFDIR: .directory
      case S_IFLNK: .symbolicLink
      case S_IFCHR: .characterDevice
      case S_IFBLK: .blockDevice
      case S_IFIFO: .fifo
      case S_IFSOCK: .socket
      default: .regular
      }
    permissions = UInt32(info.st_mode & 0o7777)
    owner = info.st_uid
    group = info.st_gid
    size = Int64(info.st_size)
    modified = Int64(info.st_mtim.tv_sec)
    links = UInt64(info.st_nlink)
    device = UInt64(info.st_dev)
    inode = UInt64(info.st_ino)
    major = clx_major(info.st_rdev)
    minor = clx_minor(info.st_rdev)
  }
}

extension Descriptor {
  /// What fstat(2) tells of the open file.
  public func fileStatus() throws(Failure) -> FileStatus { FileStatus(try status()) }
}

extension Descriptor {
  /// Whether the file lies on a devpts (fstatfs(2)).
  public var isTerminalFileSystem: Bool { clx_statfs_type(raw) == 0x1cd1 /* DEVPTS_SUPER_MAGIC */ }

  /// Whether the file lies on a procfs or sysfs (fstatfs(2)).
  public var isKernelFileSystem: Bool {
    [0x9fa0 /* PROC_SUPER_MAGIC */, 0x6265_6572 /* SYSFS_MAGIC */].contains(clx_statfs_type(raw))
  }
}
