import Linux
import Runtime

/// The system call filter of a run, compiled.
struct SeccompFilter {
  let options: RunOptions
  let installation: Installation

  /// The program to load; nil when the container is unconfined.
  ///
  /// - Parameter capabilities: what the container has, which opens further calls.
  func compiled(capabilities: UInt64) throws(Failure) -> [UInt8]? {
    let cache = SeccompCache(directory: installation.seccompCache + "/seccomp")
    switch options.security.seccomp {
    case .unconfined: return nil
    case .standard:
      return options.privileged ? nil : try cache.standard(capabilities: capabilities)
    case .file(let path):
      guard let bytes = try Files.read(path, limit: 4 << 20) else {
        throw Failure(errno: ErrorNumber.noEntry, "read seccomp profile", path)
      }
      return try cache.program(json: bytes, name: path, capabilities: capabilities)
    }
  }
}
