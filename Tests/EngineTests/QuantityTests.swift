import Linux
import Testing

@testable import Engine

@Suite struct QuantityTests {
  @Test(
    arguments: [
      ("32", 32), ("32b", 32), ("32B", 32), ("32k", 32768), ("32K", 32768), ("32kb", 32768),
      ("32KiB", 32768), ("32m", 33554432), ("32Mb", 33554432), ("32g", 34359738368),
      ("32GB", 34359738368),
      ("32t", 35184372088832), ("32p", 36028797018963968), ("32 mb", 33554432), ("0.5g", 536870912),
      ("1.5k", 1536),
      ("32.3", 32), ("0", 0), ("6m", 6291456),
    ] as [(String, Int64)])
  func `sizes are docker's, in powers of 1024`(text: String, bytes: Int64) throws {
    #expect(try ByteCount(text, flag: "-m").bytes == bytes)
  }

  @Test(arguments: [
    "", "hello", "-32", "-1", " 32", "32m b", "32bm", "32mm", ".", "m", "ib", "32ib", "1e3", "0x10",
    "inf", "nan", "9000p", "99999999999999999999", "1,5g", "٣m", "32  mb", "1.2.3",
  ])
  func `anything else is an error that names the flag`(text: String) {
    let failure = thrownBy { () throws(Failure) in _ = try ByteCount(text, flag: "--memory") }
    #expect(failure?.code == .invalid)
    #expect(failure?.object == "--memory=\(text)")
  }

  @Test func `-1 is no limit where that is allowed`() throws {
    #expect(try ByteCount("-1", flag: "-m", allowUnlimited: true).bytes == -1)
    #expect(
      thrownBy { () throws(Failure) in
        _ = try ByteCount("-2", flag: "-m", allowUnlimited: true)
      } != nil)
  }

  @Test(
    arguments: [
      (0, "0B"), (999, "999B"), (1000, "1kB"), (1234, "1.23kB"), (4_261_234, "4.26MB"),
      (72_800_000, "72.8MB"), (117_000_000, "117MB"), (1_500_000_000, "1.5GB"),
      (1_005_000, "1MB"), (2_000_000_000_000_000, "2PB"),
    ] as [(Int64, String)])
  func `a size prints as docker images does`(bytes: Int64, text: String) {
    #expect(ByteCount.decimal(bytes) == text)
  }

  @Test(
    arguments: [
      (1023, "1023B"), (1024, "1KiB"), (536870912, "512MiB"), (16_729_000_000, "15.58GiB"),
      (3298534883328, "3TiB"),
    ] as [(Int64, String)])
  func `memory prints as docker info does`(bytes: Int64, text: String) {
    #expect(ByteCount.binary(bytes) == text)
  }

  @Test(
    arguments: [
      (-5, "Less than a second"), (0, "Less than a second"), (1, "1 second"), (59, "59 seconds"),
      (60, "About a minute"), (119, "About a minute"), (120, "2 minutes"), (3599, "59 minutes"),
      (3600, "About an hour"), (5399, "About an hour"), (5400, "2 hours"), (169200, "47 hours"),
      (172800, "2 days"), (1123200, "13 days"), (1209600, "2 weeks"),
      (5097600, "8 weeks"),
      (5184000, "2 months"), (62985600, "24 months"), (63072000, "2 years"),
    ] as [(Int64, String)])
  func `a time that has passed is worded as docker's`(seconds: Int64, words: String) {
    #expect(Elapsed.words(seconds: seconds) == words)
  }

  @Test func `a moment too far away is no crash`() {
    #expect(Elapsed.ago(Timestamp(nanoseconds: .min)).hasSuffix("years ago"))
    #expect(Elapsed.ago(Timestamp(nanoseconds: .max)) == "Less than a second ago")
  }
}
