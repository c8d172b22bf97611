import CLinux
import Glibc

/// This program as a descriptor that nobody can write through.
///
/// The container's first process executes minidock itself, so `/proc/self/exe` inside the container
/// would lead to the host's binary, and root in the container could overwrite it (CVE-2019-5736,
/// security row 1). It is therefore executed from a read-only overlayfs that is attached nowhere:
/// opening it for writing fails with EROFS whatever the capabilities, and its pages are those of the
/// host's file, so nothing is copied. Where overlayfs refuses the folder, a sealed copy in memory
/// (memfd_create(2) with all seals) takes its place.
public enum SealedExecutable {
  /// Opens the sealed program.
  ///
  /// - Throws: the failure of the copy when neither way works.
  public static func open() throws(Failure) -> Descriptor {
    let path = try ownPath()
    if let sealed = try? overlay(of: path) { return sealed }
    return try memoryCopy(of: path)
  }

  /// The program's path on the host.
  public static func ownPath() throws(Failure) -> String {
    var space = [CChar](repeating: 0, count: 4096)
    let count = try checkCount("read link", "/proc/self/exe") {
      readlink("/proc/self/exe", &space, space.count - 1)
    }
    return String(decoding: space[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  // A lower-only overlay needs two layers; a directory that is always there serves as the other.
  static func overlay(of path: String) throws(Failure) -> Descriptor {
    let folder = Files.parent(of: path)
    guard folder.utf8.count < 200, !folder.contains(":"), !folder.contains("\\") else {
      throw Failure(.unsupported, "seal", path, reason: "the folder's name does not fit")
    }
    let mount = try DetachedMount.make(
      type: "overlay", source: "minidock",
      options: ["lowerdir=\(folder):/sys/kernel"],
      attributes: [.readOnly, .noDevices, .noSetuid], object: path)
    return try mount.descriptor.open(Files.name(of: path), .path)
  }

  static func memoryCopy(of path: String) throws(Failure) -> Descriptor {
    let source = try Descriptor.open("/proc/self/exe", .read)
    // MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC; kernels before 6.3 do not know the last.
    var fd = clx_memfd_create("minidock", 1 | 2 | 0x10)
    if fd < 0 { fd = clx_memfd_create("minidock", 1 | 2) }
    if fd < 0 { throw .last("create sealed copy of", path) }
    let copy = Descriptor(owning: fd)
    while try checkCount("copy", path, { clx_sendfile(copy.raw, source.raw, 1 << 30) }) > 0 {}
    // F_ADD_SEALS with F_SEAL_SEAL | SHRINK | GROW | WRITE
    try check("seal copy of", path) { clx_fcntl(copy.raw, 1033, 1 | 2 | 4 | 8) }
    return copy
  }
}
