import CLinux
import Glibc

/// Symbolic links as tiny records of minidock's own: made with their content in one atomic call, so
/// that unlike a new file no reader or crash ever meets one half written (symlink(2)).
public enum SymbolicLinks {
  /// Makes `path` with the content `target`; false when something is there already.
  ///
  /// - Throws: the system call's failure, ENOENT when the directory is missing.
  public static func claim(_ path: String, _ target: String) throws(Failure) -> Bool {
    if symlink(target, path) == 0 { return true }
    let number = Glibc.errno
    if number == EEXIST { return false }
    throw Failure(errno: number, "create link", path)
  }

  /// Makes `path` with the content `target`, in place of what is there: whoever reads it meets the one or
  /// the other (rename(2)).
  ///
  /// - Throws: the system call's failure; nothing has changed then.
  public static func replace(_ path: String, _ target: String) throws(Failure) {
    let part = "\(path).\(getpid()).tmp"
    _ = unlink(part)
    try check("create link", part) { symlink(target, part) }
    do throws(Failure) {
      try check("replace link", path) { rename(part, path) }
    } catch {
      _ = unlink(part)
      throw error
    }
  }

  /// The content of a link; nil when it does not exist or is no link.
  public static func read(_ path: String) -> String? {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 4097) { space -> String? in
      let count = readlink(path, space.baseAddress!, 4096)
      guard count >= 0 else { return nil }
      return String(decoding: UnsafeRawBufferPointer(space)[..<count], as: UTF8.self)
    }
  }
}
