import Linux
import Testing

@testable import RegistryClient

@Suite struct ClientSettingsTests {
  private func read(_ texts: String...) throws -> ClientSettings {
    var settings = ClientSettings()
    for text in texts { try settings.merge(text, file: "config.toml") }
    return settings
  }

  private func refusal(_ text: String) -> Failure? {
    do {
      _ = try read(text)
      return nil
    } catch { return error as? Failure }
  }

  @Test func aFileSetsWhatItNames() throws {
    let settings = try read(
      """
      [transfer]
      retries = 2
      stall-seconds = 10
      [registry."r.example:5000"]
      ca = "/ca.pem"
      mirrors = ["https://m.example", "http://127.0.0.1:5001"]
      token-hosts = ["auth.example"]
      [other]
      anything = 1
      """)
    #expect(settings.retries == 2 && settings.stallSeconds == 10 && settings.connectSeconds == 15)
    let host = try #require(settings.hosts["r.example:5000"])
    #expect(host.authority == "/ca.pem" && !host.isInsecure)
    #expect(host.mirrors == ["https://m.example", "http://127.0.0.1:5001"])
    #expect(host.tokenHosts == ["auth.example"])
  }

  @Test func theUsersFileGoesBeforeTheMachines() throws {
    let settings = try read(
      "[registry.\"a\"]\ninsecure = true\nca = \"/one\"", "[registry.\"a\"]\nca = \"/two\"")
    #expect(settings.hosts["a"]?.authority == "/two")
    #expect(settings.hosts["a"]?.isInsecure == true)
  }

  @Test(arguments: [
    "registry = 1", "[registry.a]\ninsecure = \"yes\"", "[registry.a]\nunknown = 1",
    "[transfer]\nretries = -1", "[transfer]\nstall-seconds = 0",
    "[registry.a]\nclient-cert = \"/x\"",
    "[registry.a]\nmirrors = [\"ftp://x\"]", "[registry.a]\nmirrors = [\"https://x/path\"]",
    "a = [",
    "[registry.\"a@b\"]\ninsecure = true",
  ]) func mistakesAreErrorsThatNameTheFile(_ text: String) {
    let failure = refusal(text)
    #expect(failure?.code == .invalid && failure?.object == "config.toml", "\(text)")
    #expect(failure?.reason.contains("\n") == false)
  }
}

@Suite struct WebAddressTests {
  @Test func addressesAreTakenApart() throws {
    let address = try #require(WebAddress("HTTPS://Example.com:5000/v2/?a=b#c"))
    #expect(address.description == "https://example.com:5000/v2/?a=b")
    #expect(WebAddress("http://[::1]:80")?.origin.host == "::1")
    #expect(WebAddress("https://a?x")?.target == "/?x")
  }

  @Test(arguments: [
    "", "x", "ftp://a", "http://", "http:///x", "http://a:0/", "http://a:99999/", "http://u:p@a/",
    "http://a b/", "http://a\\b/", "http://[::1", "https://a\u{e9}/",
  ]) func whatIsNoAddressIsRefused(_ text: String) { #expect(WebAddress(text) == nil) }

  @Test func locationsAreResolvedFromWhereTheyStand() throws {
    let base = try #require(WebAddress("https://r.example/v2/a/blobs/uploads/?x"))
    #expect(base.following("/y?z")?.description == "https://r.example/y?z")
    #expect(base.following("//o.example/y")?.description == "https://o.example/y")
    #expect(base.following("http://o.example/")?.origin.isSecure == false)
    #expect(base.following("u1")?.origin == base.origin)
    #expect(base.following("file:///etc/passwd") == nil)
  }

  @Test func anOriginIsSchemeHostAndPort() {
    let one = WebAddress("https://a/")?.origin
    #expect(one == WebAddress("https://A:443/x")?.origin)
    #expect(
      one != WebAddress("http://a:443/")?.origin && one != WebAddress("https://a:444/")?.origin)
  }
}

@Suite struct TokenTrustTests {
  @Test(arguments: [
    ("auth.docker.io", "registry-1.docker.io", true), ("ghcr.io", "ghcr.io", true),
    ("gitlab.com", "registry.gitlab.com", true), ("auth.quay.io", "quay.io", true),
    ("evil.example", "registry.example.com", false), ("evil.io", "quay.io", false),
    ("evil.co.uk", "firm.co.uk", false), ("docker.io.evil.com", "registry-1.docker.io", false),
    ("evildocker.io", "registry-1.docker.io", false), ("10.0.0.2", "10.0.0.1", false),
    ("1.0.0.1", "10.0.0.1", false), ("io", "quay.io", false),
  ]) func credentialsGoToTheRegistrysOwnHostsOnly(
    _ realm: String, _ registry: String, _ trusted: Bool
  ) {
    #expect(TokenRequest.isTrusted(realm, registry: registry, listed: []) == trusted)
    #expect(TokenRequest.isTrusted(realm, registry: registry, listed: [realm]))
  }
}

@Suite struct Base64Tests {
  @Test func bytesComeBackAndNonsenseDoesNot() {
    for count in 0..<70 {
      let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 * 37) }
      #expect(Base64.decode(Base64.encode(bytes)) == bytes)
    }
    #expect(Base64.encode("anna:secret-1".utf8) == "YW5uYTpzZWNyZXQtMQ==")
    #expect(Base64.decode("a b") == nil && Base64.decode("=a") == nil)
  }
}

@Suite struct CertificateProbeTests {
  private let now = 1_800_000_000
  private let day = 86_400

  private func told(_ times: [(first: Int, last: Int)]) -> String? {
    CertificateProbe.finding(times, now: now).map { "\($0.reason); \($0.remedy)" }
  }

  @Test func onlyTheTimeOfACertificateIsJudged() {
    #expect(told([]) == nil)
    #expect(told([(now - day, now + day), (now, now)]) == nil)
    let expired = told([(now - 2 * day, now - day), (now - day, now + day)])
    #expect(expired?.hasPrefix("the server's certificate has expired on 2027-01-14; ") == true)
    let young = told([(now + day, now + 2 * day)])
    #expect(young?.hasPrefix("the server's certificate is not valid before 2027-01-16; ") == true)
    let authority = told([(now - day, now + day), (now - 2 * day, now - 1)])
    #expect(authority?.hasPrefix("the certificate of its authority has expired") == true)
    #expect(told([(.min, .min)])?.contains("expired on 1677-") == true)
    #expect(told([(.max, .max)])?.contains("before 2262-") == true)
  }
}
