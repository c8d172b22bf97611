import Glibc
import Linux

/// A directory of a test's own, removed with everything in it when the test lets go of it.
public final class TemporaryDirectory: Sendable {
  /// The absolute path.
  public let path: String

  /// Makes a fresh directory, on a tmpfs where there is one (`MINIDOCK_TEST_DIR` moves it).
  public init(_ label: String = "test") throws {
    let base = getenv("MINIDOCK_TEST_DIR").map { String(cString: $0) } ?? "/tmp"
    path = "\(base)/minidock-\(label)-\(randomHex(bytes: 5))"
    try Files.claimDirectory(path, mode: 0o755)
  }

  deinit { try? Files.removeTree(path) }

  /// A path inside.
  public func file(_ name: String) -> String { path + "/" + name }

  /// Writes a file inside and returns its path.
  @discardableResult
  public func write(_ name: String, _ text: String) throws -> String {
    try Files.replace(file(name), with: Array(text.utf8), mode: 0o644)
    return file(name)
  }
}
