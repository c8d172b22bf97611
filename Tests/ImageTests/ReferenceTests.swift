import Image
import Linux
import Testing

@Suite("References and digests")
struct ReferenceTests {
  struct Good: Sendable, CustomStringConvertible {
    let text: String
    let familiar: String
    let canonical: String
    let repository: String
    var description: String { text }
  }

  static let hex = String(repeating: "0123456789abcdef", count: 4)
  static let good = [
    Good(
      text: "busybox", familiar: "busybox:latest",
      canonical: "docker.io/library/busybox:latest", repository: "busybox"),
    Good(
      text: "busybox:1.36", familiar: "busybox:1.36",
      canonical: "docker.io/library/busybox:1.36", repository: "busybox"),
    Good(
      text: "user/app", familiar: "user/app:latest", canonical: "docker.io/user/app:latest",
      repository: "user/app"),
    Good(
      text: "docker.io/library/busybox", familiar: "busybox:latest",
      canonical: "docker.io/library/busybox:latest", repository: "busybox"),
    Good(
      text: "index.docker.io/busybox", familiar: "busybox:latest",
      canonical: "docker.io/library/busybox:latest", repository: "busybox"),
    Good(
      text: "docker.io/library/a/b", familiar: "library/a/b:latest",
      canonical: "docker.io/library/a/b:latest", repository: "library/a/b"),
    Good(
      text: "localhost/app", familiar: "localhost/app:latest", canonical: "localhost/app:latest",
      repository: "localhost/app"),
    Good(
      text: "localhost:5000/app:v1", familiar: "localhost:5000/app:v1",
      canonical: "localhost:5000/app:v1", repository: "localhost:5000/app"),
    Good(
      text: "host.example/a/b/c:t", familiar: "host.example/a/b/c:t",
      canonical: "host.example/a/b/c:t", repository: "host.example/a/b/c"),
    Good(
      text: "Host/app", familiar: "Host/app:latest", canonical: "Host/app:latest",
      repository: "Host/app"),
    Good(
      text: "[::1]:5000/app", familiar: "[::1]:5000/app:latest",
      canonical: "[::1]:5000/app:latest", repository: "[::1]:5000/app"),
    Good(
      text: "a__b-c---d.e", familiar: "a__b-c---d.e:latest",
      canonical: "docker.io/library/a__b-c---d.e:latest", repository: "a__b-c---d.e"),
    Good(
      text: "app@sha256:" + hex, familiar: "app@sha256:" + hex,
      canonical: "docker.io/library/app@sha256:" + hex, repository: "app"),
    Good(
      text: "app:1@sha256:" + hex, familiar: "app:1@sha256:" + hex,
      canonical: "docker.io/library/app:1@sha256:" + hex, repository: "app"),
    Good(
      text: "a:" + String(repeating: "t", count: 128),
      familiar: "a:" + String(repeating: "t", count: 128),
      canonical: "docker.io/library/a:" + String(repeating: "t", count: 128), repository: "a"),
  ]

  @Test("Docker's completions of names", arguments: good)
  func completesNames(_ row: Good) throws {
    let name = try Reference(row.text)
    #expect(name.familiar == row.familiar)
    #expect(name.canonical == row.canonical)
    #expect(name.repository == row.repository)
    #expect(try Reference(name.canonical) == name)
    #expect(try Reference(name.familiar) == name)
  }

  static let bad = [
    "", " ", ":tag", "/app", "app/", "a//b", "a/../b", "../x", "..", ".", "-a", "a-", "_a", "a_",
    "a..b", "a___b", "a._b", "App", "user/App", "app:", "app:-t", "app:.t", "app:t/", "app:t:u",
    "app:" + String(repeating: "t", count: 129), "app@", "app@sha256:", "app@sha256:12",
    "app@sha256:../../x", "app@sha256:" + hex.uppercased(), "app@md5:" + hex,
    "app@sha256:" + hex + "0", "app@sha256:" + hex + "@sha256:" + hex, hex, "a b", "a\nb",
    "a\u{0}b",
    "ä", "a/ä", "http://a/b", "host:port/a", "host:123456/a", "host:/a", ".host/a.b", "h..x/a",
    "[::1/a", "[]/a.b", "[g::]/a", "%2F", "a%2Fb", "a\\b", "$x", "a;b", "a|b", "@",
    "@sha256:" + hex,
    String(repeating: "a", count: 256), "h.x/" + String(repeating: "a/", count: 130) + "a",
  ]

  @Test func aVeryLongNameIsRefused() {
    #expect(throws: Failure.self) { try Reference(String(repeating: "a", count: 100_000)) }
  }

  @Test("Malformed names are refused", arguments: bad)
  func refusesNames(_ text: String) {
    let failure = #expect(throws: Failure.self) { try Reference(text) }
    #expect(failure?.code == .invalid)
    #expect(failure?.description.utf8.allSatisfy { $0 >= 32 } == true, "printable")
  }

  @Test("sec24_CVE_2021_41190_aDigestIsExactlySixtyFourLowerCaseHexDigits")
  func digests() throws {
    #expect(try Digest("sha256:" + Self.hex).hex == Self.hex)
    for bad in [
      "", "sha256:", Self.hex, "sha256:../../x", "sha256:" + Self.hex.uppercased(),
      "sha256:" + Self.hex.dropLast(), "sha256:" + Self.hex + "0", "sha512:" + Self.hex,
      "SHA256:" + Self.hex, "sha256:" + Self.hex.dropLast() + "/",
      "sha256:" + Self.hex.dropLast(2) + "é", " sha256:" + Self.hex,
    ] {
      #expect(throws: Failure.self, "\(bad)") { try Digest(bad) }
    }
  }

  @Test func digestsOfBytesAndChains() throws {
    let empty = Digest(of: [])
    #expect(empty.hex == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    // sha256("sha256:e3b0…b855 sha256:e3b0…b855"), computed with sha256sum
    #expect(
      Digest.chain([empty, empty]).map(\.hex) == [
        empty.hex, "de9d9016b852e46e9f3973e20d3a6d17e120f7144931d50cd6e2a8ad53e81960",
      ])
    #expect(Digest.chain([]).isEmpty)
  }
}
