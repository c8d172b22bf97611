import Linux
import Testing

@Suite struct MountInfoTests {
  @Test func `a line has proc(5)'s fields`() {
    let line =
      "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 shared:7 - ext3 /dev/root rw,errors=continue\n"
    let mounts = MountInfo.parse(Array(line.utf8))
    #expect(mounts.count == 1)
    #expect(mounts[0].id == 36)
    #expect(mounts[0].root == "/mnt1")
    #expect(mounts[0].mountPoint == "/mnt2")
    #expect(mounts[0].options == "rw,noatime")
    #expect(mounts[0].tags == ["master:1", "shared:7"])
    #expect(mounts[0].type == "ext3")
    #expect(mounts[0].source == "/dev/root")
    #expect(mounts[0].superOptions == "rw,errors=continue")
  }

  @Test func `no tags and no options are allowed`() {
    let mounts = MountInfo.parse(Array("1 0 0:1 / / rw - rootfs none".utf8))
    #expect(mounts.first?.tags == [])
    #expect(mounts.first?.superOptions == "")
  }

  @Test(arguments: [
    (#"/a\040b"#, "/a b"), (#"/a\011b"#, "/a\tb"), (#"/a\012b"#, "/a\nb"), (#"/a\134b"#, #"/a\b"#),
    (#"/a\134040b"#, #"/a\040b"#), (#"/a\x"#, #"/a\x"#), (#"/a\777"#, #"/a\777"#),
    (#"/a\04"#, #"/a\04"#),
  ])
  func `escapes are undone once`(written: String, meant: String) {
    let line = "1 0 0:1 / \(written) rw - tmpfs none rw"
    #expect(MountInfo.parse(Array(line.utf8)).first?.mountPoint == meant)
  }

  @Test func `what is no mount is skipped`() {
    let text =
      "\n-\n1 2 3 - a b\nfoo bar\n1 0 0:1 / /x rw -\n1 0 0:1 / /x rw - tmpfs\n7 0 0:1 / /x rw - tmpfs s o\n"
    #expect(MountInfo.parse(Array(text.utf8)).map(\.id) == [7])
    #expect(MountInfo.parse([255, 32, 92]).isEmpty)
  }

  @Test func `this process has a root mount and a proc`() throws {
    let mounts = try MountInfo.current()
    #expect(mounts.contains { $0.mountPoint == "/" })
    #expect(mounts.contains { $0.mountPoint == "/proc" && $0.type == "proc" })
  }
}
