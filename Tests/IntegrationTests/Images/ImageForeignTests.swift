import Linux
import TestSupport
import Testing

/// Images for other machines: kept and passed on, but not run unless the kernel can.
@Suite(.enabled(if: ImageDoors.isAvailable, ImageDoors.requirement))
struct ImageForeignTests {
  let doors: ImageDoors
  var fixture: MinidockFixture { doors.fixture }

  init() throws { doors = try ImageDoors("foreign") }

  #if arch(x86_64)
    private let own = "amd64"
  #else
    private let own = "arm64"
  #endif
  private let other = "s390x"

  private let tar = TarBuilder.archive { $0.file("f") }

  private func image(_ platform: String) -> HostileImage {
    HostileImage([.init(tar)], platform: platform)
  }

  @Test func loadTakesWhatIsAskedForAndNamesWhatThereIs() throws {
    let foreign = image("linux/\(other)")
    try Files.replace(fixture.file("in.tar"), with: foreign.archive)
    for platform in ["linux/\(own)", "windows/\(other)", "linux/arm/v6"] {
      let line = try fixture.refuse(
        ["load", "-i", fixture.file("in.tar"), "--platform", platform], status: 1)
      #expect(line.contains("linux/\(other)") && line.contains(platform), "\(line)")
      #expect(try doors.contents() == [])
    }
    try fixture.refuse(["load", "-i", fixture.file("in.tar"), "--platform", "a b"], status: 1)
    // Asked for, or with nothing asked, it is loaded: it may be for sending on.
    for flags in [["--platform", "linux/\(other)"], ["--platform", other], []] {
      try doors.expectTaken(
        try fixture.minidock(["load", "-q", "-i", fixture.file("in.tar")] + flags), "\(flags)")
    }
  }

  @Test func ofAnIndexTheOwnImageIsTakenAndAForeignOneAlone() throws {
    let (one, two) = (image("linux/\(own)"), image("linux/\(other)"))
    func archive(_ images: [HostileImage]) -> [UInt8] {
      let entries = images.map { image in
        let words = image.id == two.id ? other : own
        return """
          {"mediaType": "\(image.manifestType)", "digest": "\(image.digest)", "size": \
          \(image.manifest.count), "platform": {"os": "linux", "architecture": "\(words)"}}
          """
      }
      let index = """
        {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", \
        "manifests": [\(entries.joined(separator: ", "))]}
        """
      var outer = images[0]
      outer.manifest = Array(index.utf8)
      outer.manifestType = "application/vnd.oci.image.index.v1+json"
      return TarBuilder.archive { tar in
        for (path, bytes) in outer.layout { tar.file(path, bytes) }
        for image in images {
          for bytes in [image.manifest, image.config] {
            tar.file("blobs/sha256/\(sha256(bytes).dropFirst(7))", bytes)
          }
        }
      }
    }
    try Files.replace(fixture.file("both.tar"), with: archive([one, two]))
    try Files.replace(fixture.file("other.tar"), with: archive([two]))
    try fixture.succeed("load", "-q", "-i", fixture.file("both.tar"))
    #expect(try fixture.inspect("localhost/evil:1", ".Architecture") == own)
    try doors.clear()
    try fixture.succeed("load", "-q", "--platform", other, "-i", fixture.file("both.tar"))
    #expect(try fixture.inspect("localhost/evil:1", ".Architecture") == other)
    try doors.clear()
    let line = try fixture.refuse(["load", "-i", fixture.file("other.tar")], status: 1)
    #expect(line.contains("no image for linux/\(own)") && line.contains("linux/\(other)"))
    #expect(try doors.contents() == [])
  }

  @Test func aForeignImageIsNotRunButTellsWhy() throws {
    try Files.replace(fixture.file("in.tar"), with: image("linux/\(other)").archive)
    try fixture.succeed("load", "-q", "-i", fixture.file("in.tar"))
    let canRun = Files.text("/proc/sys/fs/binfmt_misc/qemu-\(other)")?.hasPrefix("enabled") == true
    for command in ["run", "create"] where !canRun {
      let line = try fixture.refuse([command, "localhost/evil:1", "/bin/true"], status: 125)
      #expect(line.contains("it is for linux/\(other), this machine is linux/\(own)"), "\(line)")
      #expect(line.contains("binfmt_misc"), "\(line)")
    }
    #expect(try fixture.succeed("ps", "-aq") == "")
    try doors.clear()
    // Another system cannot be run by any emulator, whatever its processor.
    try Files.replace(fixture.file("in.tar"), with: image("windows/\(own)").archive)
    try fixture.succeed("load", "-q", "-i", fixture.file("in.tar"))
    let line = try fixture.refuse(
      ["run", "--pull", "never", "localhost/evil:1", "cmd.exe"], status: 125)
    #expect(line.contains("it is for windows/\(own), this machine is linux/\(own)"), "\(line)")
    let asked = try fixture.refuse(
      ["run", "--pull", "never", "--platform", "linux/\(other)", "localhost/evil:1", "true"],
      status: 125)
    #expect(asked.contains("it is for windows/\(own), not for linux/\(other)"), "\(asked)")
    try doors.clear()
    // Control: the same layers for this machine come as far as the missing program.
    try Files.replace(fixture.file("in.tar"), with: image("linux/\(own)").archive)
    try fixture.succeed("load", "-q", "-i", fixture.file("in.tar"))
    for flags in [[], ["--platform", "linux/\(own)"], ["--platform", own]] {
      let result = try fixture.minidock(
        ["run", "--rm", "--network", "none"] + flags + ["localhost/evil:1", "/bin/true"])
      #expect(result.status == 127, "\(result)")
    }
  }
}
