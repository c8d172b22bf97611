import Engine
import Testing

@testable import minidock

@Suite struct TransferScreenTests {
  private func line(
    _ phase: TransferUpdate.Phase, _ bytes: Int64, seconds: Double, columns: Int = 100
  ) -> String {
    TransferScreen.text(
      TransferUpdate(
        index: 0, digest: "sha256:0123456789abcdef", phase: phase, bytes: bytes, total: 40_000_000),
      nanoseconds: UInt64(seconds * 1e9), since: 0, columns: columns)
  }

  @Test func aDownloadShowsBytesRateAndTimeLeft() {
    let text = line(.downloading, 10_000_000, seconds: 2)
    #expect(text.hasPrefix("0123456789ab: downloading [======"))
    #expect(text.hasSuffix("10MB/40MB  5MB/s  6s left"), "\(text)")
    #expect(text.count < 100)
  }

  @Test func aNarrowTerminalGetsNoBarAndNothingIsShownBeforeThereIsARate() {
    let text = line(.downloading, 10_000_000, seconds: 0.1, columns: 40)
    #expect(text == "0123456789ab: downloading 10MB/40MB")
  }

  @Test func otherPhasesAreOneWord() {
    #expect(line(.unpacking, 5, seconds: 1) == "0123456789ab: unpacking")
    #expect(line(.pulled, 5, seconds: 1) == "0123456789ab: done")
  }

  @Test(arguments: [(0.2, "1s"), (59, "59s"), (61, "1m1s"), (7260, "2h1m"), (.infinity, "99h59m")])
  func timesAreShort(_ seconds: Double, _ text: String) {
    #expect(TransferScreen.time(seconds) == text)
  }
}

/// What a window shows that has fewer rows than there are layers, or becomes narrower.
@Suite struct TransferWindowTests {
  private func update(_ index: Int, _ phase: TransferUpdate.Phase) -> TransferUpdate {
    TransferUpdate(index: index, digest: "sha256:0", phase: phase, bytes: 0, total: 1)
  }

  @Test func layersInMotionAreShownFirst() {
    let lines =
      (0..<10).map { update($0, .pulled) } + (10..<13).map { update($0, .downloading) }
      + (13..<30).map { update($0, .waiting) }
    #expect(TransferScreen.selection(lines, rows: 5).map(\.index) == [10, 11, 12, 13, 14])
    #expect(TransferScreen.selection(lines, rows: 2).map(\.index) == [10, 11])
    #expect(TransferScreen.selection(lines, rows: 30) == lines)
    let end = Array(lines.prefix(12))
    #expect(TransferScreen.selection(end, rows: 4).map(\.index) == [8, 9, 10, 11])
  }

  @Test func linesThatANarrowerWindowBreaksAreCounted() {
    #expect(TransferScreen.rows(of: [79, 30, 0], columns: 80) == 3)
    #expect(TransferScreen.rows(of: [79, 30, 0], columns: 40) == 4)
    #expect(TransferScreen.rows(of: [79, 30, 0], columns: 20) == 7)
  }
}
