import CLinux
import Glibc

/// The process's locale, for C libraries that convert text through it.
public enum Locale {
  /// Makes multibyte text UTF-8 (LC_CTYPE "C.UTF-8", built into glibc 2.35; a file before it).
  public static func useUTF8() {
    _ = setlocale(LC_CTYPE, "C.UTF-8")
  }
}

extension Confinement {
  /// Bytes of data and stack that this process has mapped, in bytes (proc(5), statm).
  public static func dataSize() -> UInt64 {
    guard let text = Files.text("/proc/self/statm") else { return 0 }
    let fields = text.split(separator: " ")
    guard fields.count > 5, let pages = UInt64(fields[5]) else { return 0 }
    return pages * UInt64(sysconf(Int32(_SC_PAGESIZE)))
  }
}
