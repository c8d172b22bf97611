import Testing

@testable import RegistryClient

@Suite struct AuthChallengeTests {
  @Test func aBearerChallengeHasItsParameters() {
    let list = AuthChallenge.parse(
      #"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push""#
    )
    #expect(
      list == [
        AuthChallenge(
          scheme: "bearer",
          parameters: [
            "realm": "https://auth.docker.io/token", "service": "registry.docker.io",
            "scope": "repository:a/b:pull,push",
          ])
      ])
  }

  @Test func severalChallengesInOneHeaderAreToldApart() {
    let list = AuthChallenge.parse(
      #"Negotiate a87421==, Basic realm="x y", Bearer realm=z , q = "1\"2""#)
    #expect(list.map(\.scheme) == ["negotiate", "basic", "bearer"])
    #expect(list[1].parameters == ["realm": "x y"])
    #expect(list[2].parameters == ["realm": "z", "q": "1\"2"])
  }

  @Test(arguments: [
    "", "=", ",,,", "\"", "Bearer", "Bearer realm", "Bearer realm=\"", "Bearer =x", "\u{1}",
  ])
  func oddHeadersEndWithoutHarm(_ header: String) {
    #expect(AuthChallenge.parse(header).count <= 1)
  }

  @Test func randomBytesNeverTrap() {
    var generator = SystemRandomNumberGenerator()
    let alphabet = Array("Bb a=,\"\\ \t/~é%1".utf8)
    for _ in 0..<20_000 {
      let count = Int.random(in: 0...60, using: &generator)
      let bytes = (0..<count).map { _ in alphabet.randomElement(using: &generator)! }
      let list = AuthChallenge.parse(String(decoding: bytes, as: UTF8.self))
      #expect(list.count <= 64)
    }
  }
}
