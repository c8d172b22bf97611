import Glibc
import Linux
import TestSupport
import Testing

/// Root, mounts, devices and paths of a bundle.
@Suite(.enabled(if: MinidockFixture.isAvailable, MinidockFixture.requirement))
struct OCIMountTests {
  let fixture: OCIFixture

  init() throws { fixture = try OCIFixture("mounts") }

  private func mount(_ options: String, source: String? = nil, more: String = "") -> String {
    #"{"destination":"/data","type":"\#(source == nil ? "tmpfs" : "bind")","#
      + #""source":"\#(source ?? "tmpfs")","options":[\#(options)]\#(more)}"#
  }

  /// A directory of the host with a file, and a file system of its own below it, in which `body` runs.
  private func withNestedMount(_ body: (String) throws -> Void) throws {
    let source = fixture.base.file("source")
    try Files.makeDirectories(source + "/sub", mode: 0o755)
    try fixture.base.write("source/file", "content\n")
    try #require(try TestSupport.run(["mount", "-t", "tmpfs", "t", source + "/sub"]).status == 0)
    defer { umount2(source + "/sub", Int32(MNT_DETACH)) }
    try body(source)
  }

  @Test func `the root is read-only and has its propagation`() throws {
    let readOnly = try fixture.run("touch /file; mount | head -1") {
      try $0.set("root.readonly", "true")
    }
    #expect(readOnly.errors.contains("Read-only file system"), "\(readOnly)")
    #expect(!Files.exists(fixture.rootfs + "/file"))
    let script = "head -1 /proc/self/mountinfo | cut -d' ' -f 7"
    for (propagation, expected) in [
      ("private", "-"), ("rprivate", "-"), ("unbindable", "unbindable"), ("shared", "shared:"),
    ] {
      let result = try fixture.run(script) {
        try $0.set("linux.rootfsPropagation", "\"\(propagation)\"")
      }
      #expect(result.output.hasPrefix(expected), "\(propagation): \(result)")
    }
    try fixture.expectRefused("linux.rootfsPropagation") {
      try $0.set("linux.rootfsPropagation", #""open""#)
    }
  }

  @Test func `a masked passwd file leaves HOME at the root`() throws {
    let masked = try fixture.run("cat /etc/passwd; echo $HOME") {
      try $0.set("linux.maskedPaths", #"["/etc/passwd"]"#)
      try $0.set("process.env", #"["PATH=/bin"]"#)
    }
    #expect(masked.output == "/\n", "\(masked)")
  }

  @Test func `tmpcopyup copies what is there, and is of a tmpfs alone`() throws {
    let copied = try fixture.run("ls /etc/passwd; ls /absent; mount | grep -c copied") {
      for place in ["/etc", "/absent"] {
        try $0.append(
          "mounts",
          #"{"destination":"\#(place)","type":"tmpfs","source":"copied","options":["tmpcopyup"]}"#)
      }
    }
    #expect(copied.output == "/etc/passwd\n2\n", "\(copied)")
    try fixture.expectRefused("tmpcopyup is an option of a tmpfs alone") {
      try $0.append("mounts", mount(#""bind","tmpcopyup""#, source: "/tmp"))
    }
  }

  @Test func `attributes reach one mount, and with an r all below`() throws {
    try withNestedMount { source in
      let script = "touch /data/a; touch /data/sub/a && echo below; /data/file; cat /data/file"
      let plain = try fixture.run(script) {
        try $0.append("mounts", mount(#""rbind","ro""#, source: source))
      }
      #expect(plain.output == "below\ncontent\n", "\(plain)")
      let recursive = try fixture.run(script) {
        try $0.append("mounts", mount(#""rbind","rro","rnoexec","rnosuid""#, source: source))
      }
      #expect(recursive.output == "content\n", "\(recursive)")
      try fixture.expect("ls /data/sub", prints: "") {
        try $0.append("mounts", mount(#""bind""#, source: source))
      }
      // Turned on for all below and off for one: as mount_setattr(2) has it, the plain word is first.
      try fixture.expect("mount | grep -c '/data.*nosuid,nodev,noexec'", prints: "2\n") {
        try $0.append("mounts", mount(#""rbind","rnosuid","rnodev","rnoexec""#, source: source))
      }
      let remounted = try fixture.run("mount | grep /data; touch /data/a") {
        try $0.append("mounts", mount(#""bind""#, source: source))
        try $0.append(
          "mounts", #"{"destination":"/data","options":["remount","bind","ro","noexec"]}"#)
      }
      #expect(remounted.output.contains("(ro,noexec,"), "\(remounted)")
    }
  }

  @Test func `propagation of a mount`() throws {
    let script = "grep ' /data ' /proc/self/mountinfo | cut -d' ' -f 7"
    for (option, expected) in [
      ("shared", "shared:"), ("private", "-"), ("unbindable", "unbindable"), ("slave", "-"),
    ] {
      let result = try fixture.run(script) { try $0.append("mounts", mount("\"\(option)\"")) }
      #expect(result.output.hasPrefix(expected), "\(option): \(result)")
    }
  }

  @Test func `a relative source is the bundle's`() throws {
    let path = try fixture.bundle("relative", ["cat", "/data/file"]) {
      try $0.append("mounts", mount(#""bind""#, source: "own"))
    }
    try Files.claimDirectory(path + "/own", mode: 0o755)
    try Files.replace(path + "/own/file", with: Array("own\n".utf8), mode: 0o644)
    let result = try fixture.oci("run", "--bundle", path, fixture.id("relative"))
    #expect(result.output == "own\n", "\(result)")
  }

  @Test func `devices are made with mode and owner`() throws {
    let script = "stat -c '%A %u %g %t:%T' /dev/fuse /dev/net/tun; test -p /dev/pipe && echo pipe"
    try fixture.expect(script, prints: "crw-r----- 3 4 a:e5\ncrw-rw-rw- 0 0 a:c8\npipe\n") {
      try $0.set(
        "linux.devices",
        #"""
        [{"type":"c","path":"/dev/fuse","major":10,"minor":229,"fileMode":416,"uid":3,"gid":4},
        {"type":"u","path":"/dev/net/tun","major":10,"minor":200},{"type":"p","path":"/dev/pipe"}]
        """#)
    }
    try fixture.expect(
      "ls /dev | tr '\\n' ' '; echo > /dev/null",
      prints: "core fd full null ptmx pts random stderr stdin stdout tty urandom zero "
    ) { _ in }
    try fixture.expectRefused("linux.devices[0].path") {
      try $0.set("linux.devices", #"[{"type":"c","path":"/etc/fuse","major":10,"minor":229}]"#)
    }
    try fixture.expectRefused("linux.devices[0].type") {
      try $0.set("linux.devices", #"[{"type":"x","path":"/dev/x","major":10,"minor":229}]"#)
    }
  }

  @Test func `rights of devices are the group's`() throws {
    // Without a rule of its own a container gets no more than the standard nodes.
    let script = "mknod /dev/x c 10 229; cat /dev/x; true > /dev/null && echo null"
    func rules(_ more: String) -> String { #"[{"allow":false,"access":"rwm"}\#(more)]"# }
    let denied = try fixture.run(script) {
      try $0.append("process.capabilities.bounding", #""CAP_MKNOD""#)
      try $0.append("process.capabilities.effective", #""CAP_MKNOD""#)
      try $0.append("process.capabilities.permitted", #""CAP_MKNOD""#)
      try $0.set("linux.resources.devices", rules(""))
    }
    #expect(denied.errors.contains("Operation not permitted"), "\(denied)")
    #expect(denied.output == "null\n")
  }

  @Test func `--no-pivot makes the same container`() throws {
    let result = try fixture.run("ls / | tr '\\n' ' '", flags: ["--no-pivot"])
    #expect(result.output.hasPrefix("bin data dev "), "\(result)")
  }
}
