import CLinux
import Glibc

/// Bytes as a file that has no name anywhere (memfd_create(2), Linux 3.17).
public enum MemoryFile {
  /// A file with this content, open at its start, close-on-exec.
  public static func make(_ bytes: [UInt8], name: String) throws(Failure) -> Descriptor {
    let file = Descriptor(
      owning: try check("create memory file", name) { clx_memfd_create(name, 1 /* MFD_CLOEXEC */) })
    try file.write(bytes, object: name)
    try FileBytes.seek(file.raw, to: 0)
    return file
  }
}
