import CLinux
import Glibc

/// Paths as bytes: a name in an archive need not be UTF-8 and never passes through a String.
extension Root {
  /// Opens `path` (without its terminating zero) inside the root; see ``open(_:flags:mode:noSymlinks:noCrossing:)``.
  public func open(bytes path: [UInt8], flags: Int32, mode: UInt32 = 0) throws(Failure)
    -> Descriptor
  {
    let resolve = UInt64(CLX_RESOLVE_IN_ROOT) | UInt64(CLX_RESOLVE_NO_MAGICLINKS)
    let terminated = path + [0]
    while true {
      let fd = terminated.withCStringBytes {
        clx_openat2(
          directory.raw, $0, UInt64(UInt32(bitPattern: flags | O_CLOEXEC)), UInt64(mode), resolve)
      }
      if fd >= 0 { return Descriptor(owning: fd) }
      let number = Glibc.errno
      if number == EINTR || number == EAGAIN { continue }
      throw Failure(errno: number, "open", Root.printable(path))
    }
  }

  /// The directory at `path`, made with its parents (mode 0755) where missing; it may be reached through
  /// links inside the root.
  public func makeDirectory(bytes path: [UInt8]) throws(Failure) -> Descriptor {
    do throws(Failure) {
      return try open(bytes: path, flags: O_RDONLY | O_DIRECTORY)
    } catch  where error.errno == ENOENT {}
    let (parent, leaf) = Root.split(bytes: path)
    guard !leaf.isEmpty, leaf != [46], leaf != [46, 46] else {
      throw Failure(errno: ENOENT, "create directory", Root.printable(path))
    }
    let above = try makeDirectory(bytes: parent)
    let made = (leaf + [0]).withCStringBytes { mkdirat(above.raw, $0, 0o755) }
    if made < 0 && Glibc.errno != EEXIST { throw .last("create directory", Root.printable(path)) }
    return try open(bytes: path, flags: O_RDONLY | O_DIRECTORY)
  }

  /// Splits "a/b/c" into ("a/b", "c"); slashes and "/." at the end do not count. The root itself has no
  /// leaf.
  public static func split(bytes path: [UInt8]) -> (parent: [UInt8], leaf: [UInt8]) {
    let slash = UInt8(ascii: "/")
    let dot = UInt8(ascii: ".")
    var end = path.count
    while end > 0 {
      if path[end - 1] == slash {
        end -= 1
      } else if path[end - 1] == dot && (end == 1 || path[end - 2] == slash) {
        end -= 1
      } else {
        break
      }
    }
    guard end > 0 else { return ([dot], []) }
    guard let cut = path[..<end].lastIndex(of: slash) else { return ([dot], Array(path[..<end])) }
    let parent = cut == 0 ? [dot] : Array(path[..<cut])
    return (parent, Array(path[(cut + 1)..<end]))
  }

  /// A path for error messages: control characters and what is not UTF-8 are replaced.
  public static func printable(_ path: [UInt8]) -> String {
    var text = ""
    for scalar in String(decoding: path.prefix(300), as: UTF8.self).unicodeScalars {
      let hidden = scalar.value < 32 || (127..<160).contains(scalar.value)
      text.unicodeScalars.append(hidden ? "?" : scalar)
    }
    return path.count > 300 ? text + "…" : text
  }
}
