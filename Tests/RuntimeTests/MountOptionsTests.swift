import Linux
import Testing

@testable import Runtime

@Suite struct MountOptionsTests {
  @Test func `attributes, propagation and the file system's own options are told apart`() {
    let options = MountOptions([
      "nosuid", "noexec", "nodev", "ro", "rslave", "mode=755", "size=64k",
    ])
    #expect(options.set == [.noSetuid, .noExecute, .noDevices, .readOnly])
    #expect(options.clear == [])
    #expect(options.propagation == .slave)
    #expect(options.data == ["mode=755", "size=64k"])
    #expect(!options.isBind)
  }

  @Test func `of two opposites the later one holds`() {
    #expect(MountOptions(["ro", "rw"]).set == [])
    #expect(MountOptions(["ro", "rw"]).clear == .readOnly)
    #expect(MountOptions(["rw", "ro"]).set == .readOnly)
    #expect(MountOptions(["rw", "ro"]).clear == [])
    #expect(MountOptions(["noexec", "exec", "noexec"]).set == .noExecute)
  }

  @Test func `bind and rbind`() {
    #expect(MountOptions(["bind"]).isBind)
    #expect(!MountOptions(["bind"]).isRecursive)
    #expect(MountOptions(["rbind"]).isBind)
    #expect(MountOptions(["rbind"]).isRecursive)
    #expect(MountOptions(["rbind", "ro"]).data == [])
  }

  @Test func `rro reaches the mounts below`() {
    let options = MountOptions(["rbind", "rro"])
    #expect(options.recursiveSet == .readOnly)
    #expect(options.set == [])
    #expect(MountOptions(["rbind", "ro"]).recursiveSet == [])
    #expect(MountOptions(["rro", "rrw"]).recursiveClear == .readOnly)
    #expect(MountOptions(["rnosuid", "rnodev"]).recursiveSet == [.noSetuid, .noDevices])
    #expect(MountOptions(["rro"]).data == [])
  }

  @Test(arguments: [
    ("private", Propagation.isPrivate), ("rprivate", .isPrivate), ("slave", .slave),
    ("rslave", .slave), ("shared", .shared), ("rshared", .shared), ("unbindable", .unbindable),
    ("runbindable", .unbindable),
  ])
  func `propagation by its names`(name: String, propagation: Propagation) {
    #expect(MountOptions([name]).propagation == propagation)
  }

  @Test(arguments: [
    ("ro", MountAttributes.readOnly), ("nosuid", .noSetuid), ("nodev", .noDevices),
    ("noexec", .noExecute), ("noatime", .noAccessTime), ("strictatime", .strictAccessTime),
    ("nodiratime", .noDirectoryAccessTime), ("nosymfollow", .noSymlinkFollow),
  ])
  func `each attribute by its name`(name: String, attribute: MountAttributes) {
    #expect(MountOptions([name]).set == attribute)
    #expect(MountOptions([name]).data == [])
  }

  @Test func `defaults mean nothing`() {
    #expect(MountOptions(["defaults", "norelatime"]) == MountOptions([]))
  }
}
