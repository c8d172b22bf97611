import Linux
import TestSupport
import Testing

@testable import RegistryClient

/// What a registry's answers are read with, over mutations of a corpus; see ``Fuzzing``.
@Suite("Fuzzing answers of registries")
struct FuzzAnswersTests {
  @Test func challenges() async {
    await #expect(processExitsWith: .success) {
      do {
        var fuzzing = try Fuzzing(
          "challenge",
          corpus: try corpus("challenge").flatMap { $0.split(separator: 10).map(Array.init) },
          words: ["Bearer ", "Basic ", "realm=\"", "\",", "=", "\\\"", ",", "==", "\t", "é"],
          rounds: 20_000)
        fuzzing.run { bytes in
          let list = AuthChallenge.parse(String(decoding: bytes, as: UTF8.self))
          precondition(list.count <= 64 && list.allSatisfy { $0.parameters.count <= 32 })
        }
      } catch { Issue.record("\(error)") }
    }
  }
}
