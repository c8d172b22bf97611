import Glibc
import Linux
import TestSupport
import Testing

// What the tests of cp, diff, export and commit share.
extension MinidockFixture {
  /// A container that has run a script to its end and stays.
  func stopped(
    _ name: String, _ script: String, _ flags: [String] = [], image: String = "busybox",
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let result = try minidock(
      ["run", "--name", name, "--network", "none"] + flags + [image, "sh", "-c", script])
    try #require(result.status == 0, "\(result.errors)", sourceLocation: sourceLocation)
  }

  /// A container that has run a script and then sleeps, until it is removed.
  func running(
    _ name: String, _ script: String, _ flags: [String] = [], image: String = "busybox",
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> BackgroundProcess {
    let process = try BackgroundProcess(
      [MinidockFixture.binary, "run", "--name", name, "--network", "none"] + flags
        + [image, "sh", "-c", script + "; echo ready; exec sleep 1000"], environment: environment)
    try #require(
      try process.wait(untilOutput: { $0.contains("ready") }), "\(process.errors)",
      sourceLocation: sourceLocation)
    return process
  }

  /// Kind, mode, owner and content of all below a directory of the fixture: "dir/file f 644 0:0 text".
  func listing(_ name: String) throws -> [String] {
    let result = try shell(
      #"""
      cd "$DIRECTORY/$1" && find . -mindepth 1 | LC_ALL=C sort | while read -r path; do
        text=$([ -f "$path" ] && [ ! -L "$path" ] && cat "$path" || readlink "$path")
        echo "$(find "$path" -maxdepth 0 -printf '%P %y %m %U:%G' | cut -c1-) ${path#./} $text"
      done | sed 's/^ //'
      """#, name)
    try #require(result.status == 0, "\(result.errors)")
    return result.output.lines.map { line in
      // "f 644 0:0 path text"
      let words = line.split(separator: " ").map(String.init)
      return words.count < 4
        ? line : ([words[3]] + words[0..<3] + words[4...]).joined(separator: " ")
    }
  }

  /// Removes containers whether they run or not.
  func discard(_ names: String...) throws { try minidock(["rm", "-f"] + names) }
}
