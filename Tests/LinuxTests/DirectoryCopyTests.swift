import Glibc
import TestSupport
import Testing

@testable import Linux

@Suite(.enabled(if: isRoot, "needs root"))
struct DirectoryCopyTests {
  let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory("copy") }

  private func shell(_ script: String) throws -> String {
    let result = try run(["bash", "-c", "cd \"$1\" && " + script, "x", directory.path])
    #expect(result.status == 0, "\(result.errors)")
    return result.output
  }

  private func copy() throws {
    try Files.claimDirectory(directory.file("to"))
    try DirectoryCopy.copy(
      try Descriptor.open(directory.file("from"), .directory),
      into: try Linux.Root(path: directory.file("to")), name: "from")
  }

  @Test func `a copy has everything of the original`() throws {
    let list = """
      find . -printf '%P|%y|%m|%U|%G|%T@|%l|%n\\n' | sort
      find . -type f -exec sha256sum {} + | sort; getfattr -R -h -d -m - . 2>/dev/null
      find . -type c -exec stat -c '%n %t %T' {} +
      """
    _ = try shell(
      """
      mkdir -m 1750 from && cd from && mkdir -m 2711 'a b' && echo text > 'a b/file'
      ln 'a b/file' second; ln -s /etc/passwd link; ln -s . self; mkfifo -m 620 pipe
      mknod -m 666 null c 1 3; printf x > $'line\\nfeed'; chmod 4755 second; touch empty
      truncate -s 3M sparse; printf end >> sparse; setfattr -n user.x -v y empty || true
      chown -R 12:34 'a b'; chown -h 5:6 link; setcap cap_net_raw+p empty 2>/dev/null || true
      find . -exec touch -h -d '2001-02-03 04:05:06.789' {} +; touch -d 1999-01-01 .
      """)
    try copy()
    let before = try shell("cd from; " + list)
    #expect(try shell("cd to; " + list) == before)
    #expect(before.contains("a b/file|f"))
    let blocks = try shell("stat -c %b to/sparse")
    #expect(Int(blocks.trimmed) ?? .max < 2000)
  }

  @Test func `no link is followed, neither in the source nor in the target`() throws {
    try Files.claimDirectory(directory.file("outside"))
    try directory.write("outside/secret", "host")
    _ = try shell("mkdir from && ln -s ../outside from/dir && ln -s ../outside/secret from/file")
    try copy()
    #expect(
      try shell("cd to; readlink dir file; find . -type f") == "../outside\n../outside/secret\n")
  }

  @Test func `a tree deeper than paths are long has a size, each file counted once`() throws {
    _ = try shell(
      """
      mkdir from; cd from; printf 12345 > one; ln one two; ln -s one link
      for i in $(seq 600); do mkdir directory-$i && cd directory-$i || exit 1; done
      printf 1234567 > deep
      """)
    #expect(TreeSize.bytes(directory.file("from")) == 5 + 3 + 7)
    #expect(TreeSize.bytes(directory.file("nothing")) == 0)
  }

  @Test func `entries are moved, none over another`() throws {
    _ = try shell("mkdir -p a/sub b; echo 1 > a/x; echo 2 > a/y; echo mine > b/y; echo 3 > a/sub/z")
    try DirectoryEntries.move(
      from: try Descriptor.open(directory.file("a"), .directory),
      to: try Descriptor.open(directory.file("b"), .directory), name: "a")
    #expect(try shell("cat b/x b/y b/sub/z a/y") == "1\nmine\n3\n2\n")
  }
}
