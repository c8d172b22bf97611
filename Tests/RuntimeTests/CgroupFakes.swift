import Linux
import TestSupport

@testable import Runtime

/// A directory with the files of a cgroup, empty or with given content, in place of the kernel's.
struct FakeGroup {
  let directory: TemporaryDirectory

  init(_ files: [String: String]) throws {
    directory = try TemporaryDirectory("cgroup")
    for (name, text) in files { try add(name, text) }
  }

  var path: String { directory.path }

  func add(_ name: String, _ text: String = "") throws {
    try Files.makeDirectories(Files.parent(of: directory.file(name)), mode: 0o755)
    try directory.write(name, text)
  }

  subscript(name: String) -> String { Files.text(directory.file(name)) ?? "(none)" }
}

/// What a call throws; nil when it succeeds.
func thrownBy(_ body: () throws(Failure) -> Void) -> Failure? {
  do throws(Failure) {
    try body()
    return nil
  } catch { return error }
}
