import CLinux
import Glibc

extension Files {
  /// The bytes of a regular file that belongs to this user and that nobody else may write or read; nil
  /// for any other, for one larger than `limit`, and for none.
  ///
  /// For what minidock would believe without looking at it again, such as a compiled filter.
  public static func ownBytes(_ path: String, limit: Int) -> [UInt8]? {
    let fd = clx_open(AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0)
    if fd < 0 { return nil }
    defer { close(fd) }
    var info = stat()
    guard fstat(fd, &info) == 0, info.st_mode & S_IFMT == S_IFREG, info.st_uid == geteuid(),
      info.st_mode & 0o077 == 0, info.st_size <= limit
    else { return nil }
    let size = Int(info.st_size)
    let bytes = [UInt8](unsafeUninitializedCapacity: size) { space, used in
      used = max(0, Glibc.read(fd, space.baseAddress, size))
    }
    return bytes.count == size ? bytes : nil
  }
}
