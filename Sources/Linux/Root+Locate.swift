import CLinux
import Glibc

extension Root {
  /// A location (O_PATH) inside the root, by links within it.
  public func locate(bytes path: [UInt8]) throws(Failure) -> Descriptor {
    try open(bytes: path, flags: Int32(CLX_O_PATH))
  }

  /// A directory's location (O_PATH) inside the root, by links within it.
  ///
  /// - Throws: ENOTDIR when it is something else.
  public func locateDirectory(bytes path: [UInt8]) throws(Failure) -> Descriptor {
    try open(bytes: path, flags: Int32(CLX_O_PATH) | O_DIRECTORY)
  }

  /// A location (O_PATH) below a directory that is reached without any symbolic link, the last component
  /// included: a link there is the location itself.
  ///
  /// - Parameter path: relative to the directory.
  public static func locate(
    _ path: [UInt8], below directory: borrowing Descriptor
  ) throws(Failure) -> Descriptor {
    let resolve =
      UInt64(CLX_RESOLVE_BENEATH) | UInt64(CLX_RESOLVE_NO_SYMLINKS)
      | UInt64(CLX_RESOLVE_NO_MAGICLINKS)
    let terminated = path + [0]
    while true {
      let flags = Int32(CLX_O_PATH) | O_NOFOLLOW | O_CLOEXEC
      let fd = terminated.withCStringBytes {
        clx_openat2(directory.raw, $0, UInt64(UInt32(bitPattern: flags)), 0, resolve)
      }
      if fd >= 0 { return Descriptor(owning: fd) }
      let number = Glibc.errno
      if number == EINTR || number == EAGAIN { continue }
      throw Failure(errno: number, "open", Root.printable(path))
    }
  }
}
