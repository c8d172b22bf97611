import Glibc
import Linux
import TestSupport
import Testing

@testable import Runtime

@Suite struct UserLookupTests {
  private let users = UserLookup(
    passwd: Array(
      """
      root:x:0:0:root:/root:/bin/sh
      daemon:x:1:1:daemon:/usr/sbin:/bin/false
      www:x:33:33::/var/www:
      short:x:40:41
      relative:x:50:50::home:
      # comment
      broken
      :x:60:60::/:
      huge:x:4294967296:0::/:
      minus:x:-1:0::/:

      """.utf8),
    group: Array(
      """
      root:x:0:
      www:x:33:
      audio:x:29:www,daemon
      video:x:44:daemon,www
      huge:x:99999999999:
      broken

      """.utf8))

  private func resolved(
    _ uid: UInt32, _ gid: UInt32, _ groups: [UInt32] = [], _ home: String = "/"
  ) -> ResolvedUser {
    var user = ResolvedUser()
    user.uid = uid
    user.gid = gid
    user.groups = groups
    user.home = home
    return user
  }

  @Test func `names and numbers are looked up in the container's own files`() throws {
    let table: [(String, ResolvedUser)] = [
      ("", resolved(0, 0, [], "/root")), ("root", resolved(0, 0, [], "/root")),
      ("0", resolved(0, 0, [], "/root")), ("www", resolved(33, 33, [29, 44], "/var/www")),
      ("33", resolved(33, 33, [29, 44], "/var/www")), ("www:0", resolved(33, 0, [], "/var/www")),
      ("www:audio", resolved(33, 29, [], "/var/www")), ("1000", resolved(1000, 0)),
      ("1000:1000", resolved(1000, 1000)), (":audio", resolved(0, 29, [], "/root")),
      ("short", resolved(40, 41)), ("relative", resolved(50, 50)),
      ("4294967294", resolved(4_294_967_294, 0)), ("2147483648", resolved(2_147_483_648, 0)),
      ("0000000033", resolved(33, 33, [29, 44], "/var/www")),
    ]
    for (text, user) in table { #expect(try users.resolve(text) == user, "\(text)") }
  }

  @Test(arguments: [
    ("nobody", Failure.Code.notFound), ("www:nobody", .notFound), ("broken", .notFound),
    ("huge", .notFound), ("minus", .notFound), ("WWW", .notFound), ("www ", .notFound),
    ("www:audio:x", .notFound), ("www:", .invalid), (":", .invalid), ("4294967295", .invalid),
    ("4294967296", .invalid), ("-1", .invalid), ("+1", .invalid),
    ("99999999999999999999", .invalid),
    ("0:4294967295", .invalid), ("0:-1", .invalid),
  ])
  func `what is no user is an error`(text: String, code: Failure.Code) {
    #expect(thrownBy { () throws(Failure) in _ = try users.resolve(text) }?.code == code)
  }

  @Test func `sec14_CVE_2024_40635_digitsAreNeverAName`() throws {
    // Every text below is the name of an account with UID 0 as well.
    let texts = [
      "1", "-1", "+1", "01", "1:", "2147483648", "4294967294", "4294967295", "4294967296",
      "18446744073709551616", "00000000000", "1.0", "0x1", "1e3",
    ]
    var passwd = ""
    var group = ""
    for text in texts {
      passwd += "\(text):x:0:0::/:\n"
      group += "\(text):x:0:\n"
    }
    let hostile = UserLookup(passwd: Array(passwd.utf8), group: Array(group.utf8))
    for (text, uid) in [
      ("1", UInt32(1)), ("01", 1), ("2147483648", 2_147_483_648), ("4294967294", 4_294_967_294),
    ] {
      #expect(try hostile.resolve(text).uid == uid, "\(text)")
      #expect(try hostile.resolve("5:" + text).gid == uid, "\(text)")
    }
    for text in [
      "-1", "+1", "1:", "4294967295", "4294967296", "18446744073709551616", "00000000000",
    ] {
      #expect(
        thrownBy { () throws(Failure) in _ = try hostile.resolve(text) }?.code == .invalid,
        "\(text)")
    }
    // The lookup of a name does find these accounts: the files are as hostile as they look.
    #expect(try hostile.resolve("0x1").uid == 0)
  }

  @Test func `sec14_CVE_2026_46680_aNumberOutOfRangeInPasswdIsNoRoot`() throws {
    let hostile = UserLookup(
      passwd: Array("a:x:4294967296:0::/:\nb:x:-0:0::/:\nc:x: 0:0::/:\nd:x::0::/:\n".utf8),
      group: Array("a:x:4294967296:\nb:x::\n".utf8))
    for name in ["a", "b", "c", "d", "5:a", "5:b"] {
      #expect(
        thrownBy { () throws(Failure) in _ = try hostile.resolve(name) }?.code == .notFound,
        "\(name)")
    }
  }

  // MARK: - Files

  @Test func `sec15_CVE_2024_9676_passwdMustBeARegularFileOfAModestSize`() throws {
    let directory = try TemporaryDirectory("users")
    let tree = directory.file("tree")
    try Files.makeDirectories(tree + "/etc")
    try directory.write("host-passwd", "host:x:0:0::/:\n")
    func lookup() throws(Failure) -> UserLookup {
      try UserLookup(root: Linux.Root(path: tree))
    }
    let passwd = tree + "/etc/passwd"
    #expect(try lookup().resolve("7").uid == 7)

    try #require(mkfifo(passwd, 0o666) == 0)
    #expect(thrownBy { () throws(Failure) in _ = try lookup() }?.code == .refused)
    try Files.remove(passwd)

    try #require(mkdir(passwd, 0o755) == 0)
    #expect(thrownBy { () throws(Failure) in _ = try lookup() }?.code == .refused)
    try Files.removeTree(passwd)

    // A sparse gigabyte: refused by its size, without being read.
    let huge = try Descriptor.open(passwd, .create(mode: 0o644))
    try FileBytes.setLength(huge.raw, 1 << 30, object: passwd)
    #expect(thrownBy { () throws(Failure) in _ = try lookup() }?.code == .refused)
    try Files.remove(passwd)

    // Links lead to the tree's files, never to the host's.
    for target in [directory.file("host-passwd"), "../../host-passwd"] {
      try #require(symlink(target, passwd) == 0)
      #expect(
        thrownBy { () throws(Failure) in _ = try lookup().resolve("host") }?.code == .notFound)
      #expect(Files.text(passwd)?.hasPrefix("host") == true)
      try Files.remove(passwd)
    }
    try directory.write("tree/inside", "in:x:9:9::/:\n")
    try #require(symlink("/inside", passwd) == 0)
    #expect(try lookup().resolve("in").uid == 9)
  }

  @Test func `a file at the limit with one endless line has no accounts`() throws {
    let line = [UInt8](repeating: UInt8(ascii: ":"), count: 1 << 20)
    let lookup = UserLookup(passwd: line, group: line)
    #expect(thrownBy { () throws(Failure) in _ = try lookup.resolve("x") }?.code == .notFound)
    #expect(try lookup.resolve("3").uid == 3)
  }
}
