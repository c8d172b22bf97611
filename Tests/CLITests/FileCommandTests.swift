import ArgumentParser
import Linux
import TestSupport
import Testing

@testable import minidock

@Suite struct FileCommandTests {
  private func commit(_ words: String...) throws -> CommitCommand {
    try CommitCommand.parse(CommitCommand.spelled(words))
  }

  @Test func `commit pauses unless docker's flag says otherwise`() throws {
    #expect(try commit("web").pause)
    #expect(try commit("-p", "web", "img").name == "img")
    #expect(try commit("--pause=true", "web").pause)
    for word in ["--pause=false", "-p=0", "--no-pause"] { #expect(try !commit(word, "web").pause) }
    #expect((try? commit("--pause=maybe", "web")) == nil)
    let full = try commit("-a", "me", "-m", "why", "-c", "CMD x", "--change=USER y", "web", "i:1")
    #expect(full.author == "me" && full.message == "why" && full.change == ["CMD x", "USER y"])
  }

  @Test func `cp takes docker's flags and a dash for a stream`() throws {
    let copy = try CpCommand.parse(CpCommand.spelled(["-aL", "--quiet=true", "web:/x", "-"]))
    #expect(copy.archive && copy.followLink && copy.quiet && copy.destination == "-")
    let plain = try CpCommand.parse(CpCommand.spelled(["--archive=false", "-", "web:/x"]))
    #expect(!plain.archive && plain.source == "-")
    #expect((try? CpCommand.parse(["only-one"])) == nil)
  }

  @Test func `the live line tells bytes, files and rate`() {
    var count = TransferCount()
    count.bytes = 12_300_000
    #expect(ProgressLine.text("x", count, nanoseconds: 2_000_000_000) == "x 12.3MB, 6.15MB/s")
    count.entries = 1
    #expect(
      ProgressLine.text("x", count, nanoseconds: 1_000_000_000) == "x 12.3MB, 1 file, 12.3MB/s")
    count.entries = 1204
    #expect(ProgressLine.text("x", count, nanoseconds: 0).contains("1204 files"))
  }
}
