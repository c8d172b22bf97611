import Linux
import Testing

@Suite struct TimestampTests {
  @Test(arguments: [
    ("1970-01-01T00:00:00Z", 0, "1970-01-01T00:00:00.000000000Z"),
    ("2026-11-23T14:34:00.123456789Z", 1_795_444_440_123_456_789, "2026-11-23T14:34:00.123456789Z"),
    ("2026-11-23T14:34:00.5Z", 1_795_444_440_500_000_000, "2026-11-23T14:34:00.500000000Z"),
    ("2026-11-23T16:34:00+02:00", 1_795_444_440_000_000_000, "2026-11-23T14:34:00.000000000Z"),
    ("2026-11-23T09:04:00-05:30", 1_795_444_440_000_000_000, "2026-11-23T14:34:00.000000000Z"),
    (
      "2026-11-23T14:34:00.1234567899999Z", 1_795_444_440_123_456_789,
      "2026-11-23T14:34:00.123456789Z"
    ),
    ("1969-12-31T23:59:59.999999999Z", -1, "1969-12-31T23:59:59.999999999Z"),
    ("2024-02-29T00:00:00Z", 1_709_164_800_000_000_000, "2024-02-29T00:00:00.000000000Z"),
    ("2026-11-23t14:34:00z", 1_795_444_440_000_000_000, "2026-11-23T14:34:00.000000000Z"),
  ])
  func `RFC 3339 is parsed and printed`(text: String, nanoseconds: Int64, printed: String) {
    #expect(Timestamp(text)?.nanoseconds == nanoseconds)
    #expect(Timestamp(nanoseconds: nanoseconds).description == printed)
    #expect(Timestamp(printed)?.nanoseconds == nanoseconds)
  }

  @Test(arguments: [
    "", "now", "2026-11-23", "2026-11-23T14:34:00", "2026-11-23T14:34Z", "2026-13-01T00:00:00Z",
    "2026-00-01T00:00:00Z", "2026-11-32T00:00:00Z", "2026-11-23T24:00:00Z", "2026-11-23T14:60:00Z",
    "2026-11-23T14:34:00.Z", "2026-11-23T14:34:00Zx", "2026-11-23T14:34:00+2",
    "2026-11-23T14:34:00+0200",
    "-026-11-23T14:34:00Z", "2026x11x23T14:34:00Z", "+026-11-23T14:34:00Z", " 2026-11-23T14:34:00Z",
  ])
  func `anything else is no time`(text: String) {
    #expect(Timestamp(text) == nil)
  }

  @Test(arguments: [
    "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999999Z", "0000-01-01T00:00:00Z",
  ])
  func `a time too far away becomes the nearest there is`(text: String) throws {
    let time = try #require(Timestamp(text))
    #expect(time.nanoseconds == (text < "1970" ? .min : .max))
    #expect(!time.description.isEmpty)
    #expect(Timestamp.now.seconds(since: time) != 0)
  }

  @Test func `seconds between two times are whole, and right across the whole range`() {
    let start = Timestamp(nanoseconds: 1_500_000_000)
    #expect(Timestamp(nanoseconds: 3_400_000_000).seconds(since: start) == 1)
    #expect(start.seconds(since: start) == 0)
    let ends = (Timestamp(nanoseconds: .min), Timestamp(nanoseconds: .max))
    #expect(ends.1.seconds(since: ends.0) == 18_446_744_072)
    #expect(ends.0 < ends.1)
  }

  @Test func `the clock that measures never goes back`() {
    let first = Timestamp.monotonic
    #expect(Timestamp.monotonic >= first)
    #expect(Timestamp.now > Timestamp("2020-01-01T00:00:00Z")!)
  }

  @Test func `bytes have two lower-case digits each`() {
    #expect(hex([0, 1, 0xab, 255]) == "0001abff")
    #expect(hex([]) == "")
    let one = randomHex(bytes: 32)
    #expect(one.count == 64)
    #expect(one.allSatisfy { "0123456789abcdef".contains($0) })
    #expect(one != randomHex(bytes: 32))
  }

  @Test func `white space is trimmed at the ends alone`() {
    #expect(" a b\r\n".trimmed == "a b")
    #expect(" \t\n".trimmed == "")
    #expect("".trimmed == "")
  }
}
