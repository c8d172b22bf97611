import Linux
import Runtime
import Testing

@testable import Engine

@Suite struct MountRequestTests {
  private func volume(_ text: String) -> Failure? {
    thrownBy { () throws(Failure) in _ = try MountRequest(volume: text) }
  }
  private func mount(_ text: String) -> Failure? {
    thrownBy { () throws(Failure) in _ = try MountRequest(mount: text) }
  }
  private func tmpfs(_ text: String) -> Failure? {
    thrownBy { () throws(Failure) in _ = try MountRequest(tmpfs: text) }
  }

  @Test func `a volume has source, target and options`() throws {
    let plain = try MountRequest(volume: "/a:/b")
    #expect(plain.kind == .bind)
    #expect([plain.source, plain.target] == ["/a", "/b"])
    #expect(!plain.readOnly)
    #expect(plain.createsSource)
    let full = try MountRequest(volume: "/a:/b:ro,rslave,z,bind-nonrecursive")
    #expect(full.readOnly)
    #expect(full.propagation == "rslave")
    #expect(full.nonRecursive)
  }

  @Test(arguments: [
    "", ":", "/a:", "/a:b", "/a:ro", "/", "/.", "a", "data:/b:rslave", "data:/", "data:b", "/a:/",
    "/a://", "/a:/.", "/a:/b/..", "/a:/../..", "/a:/b:rx",
    "/a:/b:ro:rw", "/a:/b:ro;rw",
  ])
  func `a volume of another form is an error`(text: String) {
    #expect(volume(text) != nil)
  }

  @Test func `a source that is no path is a volume's name`() throws {
    let named = try MountRequest(volume: "data:/b:ro,nocopy")
    #expect(named.kind == .volume)
    #expect([named.source, named.target] == ["data", "/b"])
    #expect(named.readOnly && named.noCopy && !named.isAnonymous && !named.createsSource)
    let anonymous = try MountRequest(volume: "/b")
    #expect(anonymous.kind == .volume && anonymous.isAnonymous && anonymous.source == "")
    #expect(anonymous.target == "/b")
    #expect(try !MountRequest(volume: "/a:/b:nocopy").noCopy)
  }

  @Test(arguments: ["./data:/b", "a/b:/b", ".:/b", "..:/b", ":/b", "x:/b", "-x:/b", "a b:/b"])
  func `a source that is neither is an error`(text: String) {
    #expect(volume(text)?.code == .invalid)
  }

  @Test func `--mount makes a volume unless told otherwise`() throws {
    for text in [
      "type=volume,source=data,target=/b,volume-nocopy,volume-driver=local",
      "src=data,dst=/b,volume-nocopy=true",
    ] {
      let request = try MountRequest(mount: text)
      #expect(request.kind == .volume && request.source == "data" && request.noCopy)
      #expect(!request.isAnonymous)
    }
    let anonymous = try MountRequest(mount: "target=/b,readonly")
    #expect(anonymous.isAnonymous && anonymous.readOnly && anonymous.kind == .volume)
  }

  @Test func `--mount has docker's fields and their other names`() throws {
    for text in [
      "type=bind,source=/a,target=/b,readonly", "type=bind,src=/a,dst=/b,ro=true",
      "TYPE=bind,Source=/a,destination=/b,readonly=1",
    ] {
      let request = try MountRequest(mount: text)
      #expect([request.source, request.target] == ["/a", "/b"])
      #expect(request.readOnly, "\(text)")
      #expect(!request.createsSource)
    }
    let bind = try MountRequest(
      mount: "type=bind,source=/a=b,target=/b,bind-propagation=rshared,bind-recursive=disabled")
    #expect(bind.source == "/a=b")
    #expect(bind.propagation == "rshared")
    #expect(bind.nonRecursive)
    let tmpfs = try MountRequest(mount: "type=tmpfs,target=/t,tmpfs-size=64m,tmpfs-mode=1770")
    #expect(tmpfs.kind == .tmpfs)
    #expect(tmpfs.options == ["size=67108864", "mode=1770"])
  }

  @Test(arguments: [
    "", "type=bind", "type=bind,source=/a", "type=bind,target=/b", "source=/a,target=/b",
    "type=volume,source=a,target=/b", "type=volume,source=/a,target=/b",
    "type=volume,source=data,target=/b,tmpfs-size=1m", "source=data,target=/",
    "type=bind,source=/a,target=/b,volume-nocopy", "source=data,target=/b,volume-driver=nfs",
    "source=data,target=/b,volume-opt=o=bind", "type=bind,source=a,target=/b",
    "type=bind,source=/a,target=b",
    "type=bind,source=/a,target=/", "type=tmpfs,source=/a,target=/b",
    "type=bind,source=/a,target=/b,colour=red", "type=bind,source=/a,target=/b,readonly=maybe",
    "type=bind,source=/a,target=/b,bind-propagation=loud", "type=tmpfs,target=/t,tmpfs-size=big",
    "type=tmpfs,target=/t,tmpfs-mode=999", "type=tmpfs,target=/t,tmpfs-mode=",
    "type=bind,source=/a,target=/b,tmpfs-size=1m", "type=npipe,source=/a,target=/b",
  ])
  func `--mount with anything wrong is an error`(text: String) {
    #expect(mount(text)?.code == .invalid)
  }

  @Test func `--tmpfs has docker's defaults and the user's options after them`() throws {
    #expect(try MountRequest(tmpfs: "/t").options == ["noexec", "nosuid", "nodev"])
    let request = try MountRequest(tmpfs: "/t:size=1m,exec,ro")
    #expect(request.options == ["noexec", "nosuid", "nodev", "size=1m", "exec"])
    #expect(request.readOnly)
    #expect(request.target == "/t")
  }

  @Test(arguments: ["", "t", ":size=1m", ":/t", "/", "/.."])
  func `--tmpfs needs a target that is not the root`(text: String) {
    #expect(tmpfs(text)?.code == .invalid)
  }

  // MARK: - Devices

  @Test(arguments: [
    ("/dev/fuse", "/dev/fuse", "rwm"), ("/dev/fuse:rw", "/dev/fuse", "rw"),
    ("/dev/fuse:/dev/f", "/dev/f", "rwm"), ("/dev/fuse:/dev/f:r", "/dev/f", "r"),
    ("/dev/fuse:/dev/a/b:mr", "/dev/a/b", "mr"), ("/dev/fuse:/dev/rwm", "/dev/rwm", "rwm"),
  ])
  func `a device has a place and rights`(text: String, target: String, access: String) throws {
    let device = try DeviceRequest(text)
    #expect(device.source == "/dev/fuse")
    #expect(device.target == target)
    #expect(device.access == access)
  }

  @Test(arguments: [
    "", "fuse", "/dev/fuse:", "/dev/fuse:x", "/dev/fuse:/etc/fuse", "/dev/fuse:/dev/f:rx",
    "/dev/fuse:/dev/f:rr", "/dev/fuse:/dev/f:", "/dev/fuse:/dev/f:r:w", ":/dev/f",
    "/dev/fuse:/dev/../etc/passwd", "/dev/fuse:/dev/./x", "/etc/passwd",
  ])
  func `a device of another form is an error`(text: String) {
    #expect(thrownBy { () throws(Failure) in _ = try DeviceRequest(text) }?.code == .invalid)
  }

  // MARK: - Security options and ulimits

  @Test func `--security-opt takes either separator, the last one holding`() throws {
    #expect(try SecurityOptions([]) == SecurityOptions())
    #expect(try SecurityOptions(["no-new-privileges"]).noNewPrivileges)
    #expect(try SecurityOptions(["no-new-privileges:true"]).noNewPrivileges)
    #expect(try !SecurityOptions(["no-new-privileges", "no-new-privileges=false"]).noNewPrivileges)
    #expect(try SecurityOptions(["seccomp=unconfined"]).seccomp == .unconfined)
    #expect(try SecurityOptions(["seccomp=/p/a=b.json"]).seccomp == .file("/p/a=b.json"))
    #expect(try SecurityOptions(["seccomp=unconfined", "seccomp=builtin"]).seccomp == .standard)
  }

  @Test(arguments: [
    "", "seccomp", "seccomp=", "no-new-privileges=maybe", "apparmor=x", "label=disable",
    "Seccomp=x",
  ])
  func `an unknown security option is never dropped`(text: String) {
    #expect(thrownBy { () throws(Failure) in _ = try SecurityOptions([text]) }?.code == .invalid)
  }

  @Test func `--ulimit has a soft and a hard limit`() throws {
    let one = try parseUlimit("nofile=1024")
    #expect(one.type == "RLIMIT_NOFILE")
    #expect([one.soft, one.hard] == [1024, 1024])
    let two = try parseUlimit("core=0:-1")
    #expect([two.soft, two.hard] == [0, .max])
    #expect(try parseUlimit("memlock=unlimited").soft == .max)
  }

  @Test(arguments: [
    "", "nofile", "nofile=", "=1", "files=1", "nofile=x", "nofile=2:1", "nofile=-1:1",
    "nofile=1:2:3",
    "nofile=1:", "nofile=-2", "nofile=99999999999999999999", "nofile 1",
  ])
  func `a ulimit of another form is an error`(text: String) {
    #expect(thrownBy { () throws(Failure) in _ = try parseUlimit(text) }?.code == .invalid)
  }
}
