import CLinux
import Glibc

/// Everything that lstat(2) tells of an entry of a tree, for archives and copies.
public struct EntryStatus: Sendable, Equatable {
  /// What kind of file it is.
  public var kind: FileKind
  /// Permission bits with set-user-id, set-group-id and sticky.
  public var mode: UInt32
  /// Numeric owner.
  public var user: UInt32
  /// Numeric group.
  public var group: UInt32
  /// Bytes; of a symbolic link the length of its target.
  public var size: Int64
  /// How many names the file has.
  public var links: UInt64
  /// The file, as opposed to its names.
  public var identity: FileIdentity
  /// The major number of a device node.
  public var major: UInt32
  /// The minor number of a device node.
  public var minor: UInt32
  /// Time of last access.
  public var accessed: FileTime
  /// Time of last modification.
  public var modified: FileTime

  /// From a stat structure.
  init(_ info: stat) {
    kind = FileKind(mode: info.st_mode)
    mode = UInt32(info.st_mode & 0o7777)
    user = info.st_uid
    group = info.st_gid
    size = Int64(info.st_size)
    links = UInt64(info.st_nlink)
    identity = FileIdentity(device: UInt64(info.st_dev), inode: UInt64(info.st_ino))
    major = clx_major(info.st_rdev)
    minor = clx_minor(info.st_rdev)
    accessed = FileTime(
      seconds: Int64(info.st_atim.tv_sec), nanoseconds: Int64(info.st_atim.tv_nsec))
    modified = FileTime(
      seconds: Int64(info.st_mtim.tv_sec), nanoseconds: Int64(info.st_mtim.tv_nsec))
  }

  /// Whether it is overlayfs's mark of an entry that is hidden: a character device 0:0.
  public var isWhiteout: Bool { kind == .characterDevice && major == 0 && minor == 0 }
}

/// A file by the file system that it is on and its number there: the same for all of its names.
public struct FileIdentity: Sendable, Hashable {
  /// st_dev.
  public let device: UInt64
  /// st_ino.
  public let inode: UInt64

  /// By both numbers.
  public init(device: UInt64, inode: UInt64) {
    self.device = device
    self.inode = inode
  }
}

extension Descriptor {
  /// What fstat(2) tells, for archives and copies; works for a location (O_PATH) too.
  public func entryStatus() throws(Failure) -> EntryStatus { EntryStatus(try status()) }

  /// A location's directory, opened for reading its names: the same one, whatever has its name now.
  public func openedDirectory() throws(Failure) -> Descriptor {
    Descriptor(
      owning: try check("open directory", "descriptor \(raw)") {
        clx_open(raw, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0)
      })
  }

  /// Whether the file lies on one of the kernel's own file systems, whose files are no content:
  /// procfs, sysfs, cgroup, devpts, mqueue, securityfs, debugfs and the like (fstatfs(2)).
  public var isOnPseudoFileSystem: Bool {
    Descriptor.pseudoFileSystems.contains(clx_statfs_type(raw))
  }

  private static let pseudoFileSystems = [
    0x9fa0 /* proc */, 0x6265_6572 /* sysfs */, 0x27_e0eb /* cgroup */, 0x6367_7270 /* cgroup2 */,
    0x1cd1 /* devpts */, 0x1980_0202 /* mqueue */, 0x7363_6673 /* securityfs */,
    0x6462_6720 /* debugfs */, 0x7472_6163 /* tracefs */, 0xcafe_4a11 /* bpf */,
    0x4249_4e4d /* binfmt_misc */, 0x6e73_6673 /* nsfs */,
  ]
}

/// A descriptor that several owners share, closed with the last of them.
public final class SharedDescriptor: Sendable {
  /// The descriptor.
  public let descriptor: Descriptor
  /// The number, for system calls; valid as long as an owner lives.
  public var raw: Int32 { descriptor.raw }

  /// Takes over an owned descriptor.
  public init(_ descriptor: consuming Descriptor) { self.descriptor = descriptor }
}
