import Glibc
import Linux
import TestSupport
import Testing

/// What a bind mount's options do to it and to the mounts below it, by the container's own mountinfo.
@Suite(.enabled(if: MinidockFixture.isAvailable, MinidockFixture.requirement))
final class OCIBindTests {
  let fixture: OCIFixture
  let source: String

  /// A directory with a file system of its own, and another one below that; shared, as systemd has it.
  init() throws {
    fixture = try OCIFixture("binds")
    source = fixture.base.file("source")
    try Files.makeDirectories(source, mode: 0o755)
    let made = try fixture.base.shell(
      """
      set -e
      mount -t tmpfs -o mode=755 outer "$1"; mount --make-shared "$1"
      mkdir "$1/sub"; mount -t tmpfs -o mode=755 inner "$1/sub"; mount --make-shared "$1/sub"
      echo outer > "$1/file"; echo inner > "$1/sub/file"; chown 5:6 "$1/file" "$1/sub/file"
      """, source)
    try #require(made.status == 0, "\(made)")
  }

  deinit {
    umount2(source + "/sub", Int32(MNT_DETACH))
    umount2(source, Int32(MNT_DETACH))
  }

  private func mount(_ options: [String], more: String = "") -> String {
    #"{"destination":"/data","type":"bind","source":"\#(source)","#
      + #""options":\#(JSONValue.strings(options).compact)\#(more)}"#
  }

  private struct Mounted: Equatable {
    var attributes: Set<String>
    var propagation: String
  }

  /// What a container has at /data and /data/sub.
  private func mounted(
    _ options: [String], more: String = "", _ change: (inout OCIConfig) throws -> Void = { _ in },
    location: SourceLocation = #_sourceLocation
  ) throws -> (outer: Mounted, inner: Mounted?) {
    let result = try fixture.run("cat /proc/self/mountinfo") {
      try change(&$0)
      try $0.append("mounts", mount(options, more: more))
    }
    #expect(result.status == 0, "\(options) \(result)", sourceLocation: location)
    func find(_ place: String) -> Mounted? {
      for line in result.output.split(separator: "\n") {
        let words = line.split(separator: " ").map(String.init)
        guard words.count > 6, words[4] == place else { continue }
        let fields = words[6...].prefix { $0 != "-" }
          .map { $0.split(separator: ":").first.map(String.init) ?? "" }
        return Mounted(
          attributes: Set(words[5].split(separator: ",").map(String.init)),
          propagation: fields.joined(separator: "+"))
      }
      return nil
    }
    return (try #require(find("/data"), "\(result)"), find("/data/sub"))
  }

  @Test func `an attribute is of one mount, with an r of all below`() throws {
    for (word, shown) in [
      ("ro", "ro"), ("nosuid", "nosuid"), ("nodev", "nodev"), ("noexec", "noexec"),
      ("noatime", "noatime"), ("nodiratime", "nodiratime"), ("nosymfollow", "nosymfollow"),
    ] {
      let plain = try mounted(["rbind", word])
      #expect(plain.outer.attributes.contains(shown), "\(word) \(plain)")
      #expect(plain.inner?.attributes.contains(shown) == false, "\(word) \(plain)")
      let recursive = try mounted(["rbind", "r" + word])
      #expect(recursive.outer.attributes.contains(shown), "r\(word) \(recursive)")
      #expect(recursive.inner?.attributes.contains(shown) == true, "r\(word) \(recursive)")
      // Without the mounts below there is nothing to reach.
      #expect(try mounted(["bind", "r" + word]).inner == nil)
    }
    // Neither of the words for access times.
    let strict = try mounted(["rbind", "rstrictatime"])
    for found in [strict.outer, try #require(strict.inner)] {
      #expect(found.attributes.isDisjoint(with: ["relatime", "noatime"]), "\(strict)")
    }
  }

  @Test func `an attribute of the source is taken away by its opposite`() throws {
    let all = "ro,nosuid,nodev,noexec,noatime,nodiratime,nosymfollow"
    let made = try fixture.base.shell(
      "mount -o remount,bind,\(all) \"$1\" && mount -o remount,bind,\(all) \"$1/sub\"", source)
    try #require(made.status == 0, "\(made)")
    defer {
      for place in [source + "/sub", source] {
        _ = try? TestSupport.run(["mount", "-o", "remount,bind,rw", place])
      }
    }
    // What nothing is said about stays.
    let kept = try mounted(["rbind"])
    #expect(kept.outer.attributes.isSuperset(of: all.split(separator: ",").map(String.init)))
    for (word, gone) in [
      ("rw", "ro"), ("suid", "nosuid"), ("dev", "nodev"), ("exec", "noexec"),
      ("atime", "noatime"), ("relatime", "noatime"), ("strictatime", "noatime"),
      ("diratime", "nodiratime"), ("symfollow", "nosymfollow"),
    ] {
      let plain = try mounted(["rbind", word])
      #expect(!plain.outer.attributes.contains(gone), "\(word) \(plain)")
      #expect(plain.inner?.attributes.contains(gone) == true, "\(word) \(plain)")
      let recursive = try mounted(["rbind", "r" + word])
      #expect(!recursive.outer.attributes.contains(gone), "r\(word) \(recursive)")
      #expect(recursive.inner?.attributes.contains(gone) == false, "r\(word) \(recursive)")
    }
  }

  @Test func `the plain words come first, then those of all below`() throws {
    let opened = try mounted(["rbind", "ro", "rrw"])
    #expect(
      opened.outer.attributes.contains("rw") && opened.inner?.attributes.contains("rw") == true)
    let closed = try mounted(["rbind", "rro", "rw"])
    #expect(
      closed.outer.attributes.contains("ro") && closed.inner?.attributes.contains("ro") == true)
    // Of two opposites the last one counts.
    #expect(try mounted(["rbind", "ro", "rw"]).outer.attributes.contains("rw"))
    #expect(try mounted(["rbind", "rw", "ro"]).outer.attributes.contains("ro"))
  }

  @Test func `each word of propagation, of one mount or of all below`() throws {
    for (word, outer) in [
      ("private", ""), ("slave", "master"), ("shared", "shared+master"),
      ("unbindable", "unbindable"),
    ] {
      // The mounts below keep what every mount of the container's has: events of the host, none to it.
      let plain = try mounted(["rbind", word])
      #expect(plain.outer.propagation == outer, "\(word) \(plain)")
      #expect(plain.inner?.propagation == "master", "\(word) \(plain)")
      let recursive = try mounted(["rbind", "r" + word])
      #expect(recursive.outer.propagation == outer, "r\(word) \(recursive)")
      #expect(recursive.inner?.propagation == outer, "r\(word) \(recursive)")
    }
    let unsaid = try mounted(["rbind"])
    #expect(unsaid.outer.propagation == "master" && unsaid.inner?.propagation == "master")
    // With a shared root the container's mounts reach the host, and the other way round.
    let peer = try mounted(["rbind", "rshared"]) {
      try $0.set("linux.rootfsPropagation", #""shared""#)
    }
    #expect(peer.outer.propagation == "shared", "\(peer)")
  }

  @Test func `with a shared root mounts reach the host, and the start unmounts none of the host's`()
    throws
  {
    func isMounted(_ path: String) -> Bool {
      (Files.text("/proc/self/mountinfo") ?? "").contains(" \(path) ")
    }
    let script = "mkdir /data/sub/made; mount -t tmpfs t /data/sub/made; umount /data/sub/made"
    for flags in [[], ["--no-pivot"]] {
      let result = try fixture.run(
        script + "; mount -t tmpfs t /data/sub/made; echo done", flags: flags
      ) {
        try $0.set("linux.rootfsPropagation", #""shared""#)
        for set in ["bounding", "effective", "permitted"] {
          try $0.append("process.capabilities." + set, #""CAP_SYS_ADMIN""#)
        }
        try $0.append("mounts", mount(["rbind", "rshared"]))
      }
      #expect(result.output == "done\n", "\(result)")
      #expect(isMounted(source) && isMounted(source + "/sub"), "\(flags)")
      #expect(isMounted(source + "/sub/made"), "\(flags)")
      umount2(source + "/sub/made", Int32(MNT_DETACH))
      rmdir(source + "/sub/made")
    }
  }

  @Test func `what the host mounts later is seen by a slave and not by a private mount`() throws {
    for (word, seen) in [("rslave", "later\n"), ("rprivate", "")] {
      let id = try fixture.running(word) { try $0.append("mounts", mount(["rbind", word])) }
      let place = source + "/sub/" + word
      let made = try fixture.base.shell(
        "mkdir -p \"$1\" && mount -t tmpfs t \"$1\" && echo later > \"$1/file\"", place)
      #expect(made.status == 0, "\(made)")
      defer { umount2(place, Int32(MNT_DETACH)) }
      let found = try fixture.oci("exec", id, "cat", "/data/sub/\(word)/file")
      #expect(found.output == seen, "\(word) \(found)")
    }
  }

  private let mapping = #"""
    ,"uidMappings":[{"containerID":0,"hostID":1000,"size":100}],
    "gidMappings":[{"containerID":0,"hostID":2000,"size":100}]
    """#

  private func owners(
    _ options: [String], more: String = "", _ change: (inout OCIConfig) throws -> Void = { _ in }
  ) throws -> String {
    let result = try fixture.run("stat -c %u:%g /data/file; stat -c %u:%g /data/sub/file") {
      try change(&$0)
      try $0.append("mounts", mount(options, more: more))
    }
    #expect(result.status == 0, "\(options) \(result)")
    return result.output.split(separator: "\n").joined(separator: " ")
  }

  @Test func `idmap maps the ids of one mount, ridmap of all below`() throws {
    #expect(try owners(["rbind"]) == "5:6 5:6")
    #expect(try owners(["rbind", "idmap"], more: mapping) == "1005:2006 5:6")
    #expect(try owners(["rbind", "ridmap"], more: mapping) == "1005:2006 1005:2006")
    // As in runc, mappings alone are an idmap.
    #expect(try owners(["rbind"], more: mapping) == "1005:2006 5:6")
    let found = try mounted(["rbind", "ridmap", "ro"], more: mapping)
    #expect(found.outer.attributes.isSuperset(of: ["idmapped", "ro"]))
    #expect(found.inner?.attributes.contains("idmapped") == true)
    #expect(found.inner?.attributes.contains("ro") == false)
  }

  @Test func `with a user namespace its own mappings are meant`() throws {
    #expect(try owners(["rbind"]) { try $0.mapUsers() } == "65534:65534 65534:65534")
    #expect(try owners(["rbind", "idmap"]) { try $0.mapUsers() } == "5:6 65534:65534")
    #expect(try owners(["rbind", "ridmap"]) { try $0.mapUsers() } == "5:6 5:6")
    // What is written through it belongs to the ids that are on the disk.
    let result = try fixture.run("echo more > /data/made; stat -c %u:%g /data/made") {
      try $0.mapUsers()
      try $0.append("mounts", mount(["rbind", "ridmap"]))
    }
    #expect(result.output == "0:0\n", "\(result)")
    let made = try FileStatus(source + "/made")
    #expect(made.owner == 0)
  }

  // The fixture's would take the source's own mounts for what a container leaves.
  private func expectRefused(_ text: String, _ change: (inout OCIConfig) throws -> Void) throws {
    let name = "no" + randomHex(bytes: 3)
    let path = try fixture.bundle(name, ["true"], change)
    fixture.expectFailure(try fixture.oci("create", "--bundle", path, fixture.id(name)), text)
  }

  @Test func `wrong mappings are refused by their field`() throws {
    let index = 4
    for (options, more, reason) in [
      (["rbind", "idmap"], "", "mounts[\(index)].options"),
      (
        ["rbind"], #","uidMappings":[{"containerID":0,"hostID":1000,"size":100}]"#,
        "mounts[\(index)]: it has only one"
      ),
      (
        ["rbind"],
        #","uidMappings":[{"containerID":0,"hostID":1,"size":0}],"gidMappings":[{"containerID":0,"hostID":1,"size":1}]"#,
        "mounts[\(index)].uidMappings[0]"
      ),
    ] {
      try expectRefused(reason) { try $0.append("mounts", mount(options, more: more)) }
    }
    try expectRefused("mounts[\(index)]: ids can be mapped of a bind mount alone") {
      try $0.append(
        "mounts",
        #"{"destination":"/data","type":"tmpfs","source":"t"\#(mapping)}"#)
    }
    try expectRefused("a bind mount has no option \"bogus\"") {
      try $0.append("mounts", mount(["rbind", "bogus"]))
    }
  }

  @Test func `a new file system has the words as well`() throws {
    for (words, shown, propagation) in [
      (["ro", "nosuid", "nodev", "noexec", "noatime"], "ro", ""),
      (["rshared", "rro"], "ro", "shared"),
      (["shared"], "rw", "shared"), (["unbindable", "nodiratime"], "nodiratime", "unbindable"),
    ] {
      let result = try fixture.run("grep ' /data ' /proc/self/mountinfo") {
        try $0.append(
          "mounts",
          #"{"destination":"/data","type":"tmpfs","source":"t","#
            + #""options":\#(JSONValue.strings(words).compact)}"#)
      }
      let columns = result.output.split(separator: " ")
      try #require(columns.count > 6, "\(result)")
      #expect(columns[5].split(separator: ",").contains(Substring(shown)), "\(result)")
      #expect(
        propagation.isEmpty ? columns[6] == "-" : columns[6].hasPrefix(propagation), "\(result)")
    }
  }
}
