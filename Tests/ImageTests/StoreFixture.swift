import Glibc
import Image
import Linux
import TestSupport
import Testing

/// A store of a test's own, in a directory that is removed with it.
final class StoreFixture {
  let directory: TemporaryDirectory
  let store: ImageStore

  init(limits: ImportLimits = ImportLimits()) throws {
    directory = try TemporaryDirectory("image")
    var store = try ImageStore(root: directory.file("store"))
    store.limits = limits
    self.store = store
  }

  static let moment = Timestamp(nanoseconds: 1_700_000_000_123_456_789)

  func write(_ bytes: [UInt8], _ name: String = "input") throws -> String {
    let path = directory.file(name)
    try Files.replace(path, with: bytes)
    return path
  }

  @discardableResult
  func importFile(
    _ path: String, _ name: String? = "test", config: ImageConfig = ImageConfig(),
    created: Timestamp = moment
  ) throws -> ImageRecord {
    let file = try Descriptor.open(path, .read)
    return try store.importRootfs(
      from: file.raw, name: try name.map { try Reference($0) }, config: config, comment: "a test",
      created: created, progress: nil)
  }

  @discardableResult
  func importBytes(_ bytes: [UInt8], _ name: String? = "test") throws -> ImageRecord {
    try importFile(try write(bytes), name)
  }

  /// The failure of an import that must not succeed; nil when it did.
  func failure(_ bytes: [UInt8]) throws -> Failure? {
    let path = try write(bytes)
    do {
      try importFile(path)
      return nil
    } catch let failure as Failure {
      return failure
    }
  }

  /// Everything in the store that an import makes, as relative paths; empty when there is no residue.
  func contents() throws -> [String] {
    var found: [String] = []
    for folder in ["blobs/sha256", "layers", "images", "names", "ingest"] {
      found += try Files.list("\(store.root)/\(folder)").map { "\(folder)/\($0)" }
    }
    return found.sorted()
  }
}

/// Everything that tools can tell about a tree: kinds, modes, owners, sizes, blocks, link counts, times,
/// targets, content, extended attributes and ACLs.
func snapshot(_ tree: String, blocks: Bool = true) throws -> String {
  let script = """
    cd "$1" || exit 1
    find . -printf '%P|%y|%m|%U|%G|%n|%T@|%l|'"$2"'\\n' | LC_ALL=C sort
    find . -type f -printf '%P|%s\\n' | LC_ALL=C sort
    find . -type f -exec sha256sum {} + | LC_ALL=C sort
    find . ! -type d -printf '%i %P\\n' | LC_ALL=C sort | awk '{ if ($1 in seen) print "same", seen[$1], $2; \
    else seen[$1] = $2 }' | LC_ALL=C sort
    find . \\( -type c -o -type b \\) -exec stat -c '%n %t:%T' {} + | LC_ALL=C sort
    find . ! -type l -print0 | LC_ALL=C sort -z | xargs -0r getfattr -h -d -m - -e hex 2>&1
    find . ! -type l -print0 | LC_ALL=C sort -z | xargs -0r getfacl -n 2>&1
    """
  let result = try run(["sh", "-c", script, "snapshot", tree, blocks ? "%b" : ""])
  guard result.status == 0 else { throw Failure(.invalid, "snapshot", tree, reason: result.errors) }
  return result.output
}

/// Runs a shell script, which must succeed.
@discardableResult
func shell(_ script: String, _ arguments: String...) throws -> String {
  let result = try run(["bash", "-ec", script, "test"] + arguments)
  guard result.status == 0 else {
    throw Failure(.invalid, "run", script, reason: result.output + result.errors)
  }
  return result.output
}

/// The first line at which two texts differ, for a message; nil when they are equal.
func firstDifference(_ a: String, _ b: String) -> String? {
  if a == b { return nil }
  let left = a.split(separator: "\n", omittingEmptySubsequences: false)
  let right = b.split(separator: "\n", omittingEmptySubsequences: false)
  for index in 0..<max(left.count, right.count) {
    let one = index < left.count ? left[index] : "(end)"
    let two = index < right.count ? right[index] : "(end)"
    if one != two { return "line \(index): \(one) <> \(two)" }
  }
  return "different line endings"
}

/// The body of an exit test: an error that it throws becomes a recorded issue with its text, instead of a
/// crash without one.
func recordingErrors(_ body: () throws -> Void) {
  do { try body() } catch { Issue.record("\(error)") }
}
