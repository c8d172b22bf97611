import Testing

@testable import minidock

@Suite struct SuggestionTests {
  private let names = Suggestion.names(of: MinidockCommand.self)

  @Test(arguments: [
    ("imges", "images"), ("iamges", "images"), ("rnu", "run"), ("Run", "run"), ("pss", "ps"),
    ("strat", "start"), ("conatiner", "container"), ("netwrok", "network"), ("exce", "exec"),
    ("pul", "pull"),
  ])
  func `a slip is understood`(word: String, name: String) {
    #expect(Suggestion.nearest(to: word, among: names) == name)
  }

  @Test(arguments: ["frobnicate", "x", "", "buildx", "🙂"])
  func `what is no slip is not guessed at`(word: String) {
    #expect(Suggestion.nearest(to: word, among: names) == nil)
  }

  @Test func `a group's commands are known`() {
    let names = Suggestion.names(of: NetworkGroup.self)
    #expect(Suggestion.nearest(to: "crate", among: names) == "create")
  }

  @Test(arguments: [
    ("", "", 0), ("", "abc", 3), ("abc", "", 3), ("abc", "abc", 0), ("abc", "acb", 1),
    ("abc", "abd", 1), ("abc", "ab", 1), ("abc", "abcd", 1), ("kitten", "sitting", 3),
  ])
  func `letters are counted`(a: String, b: String, distance: Int) {
    #expect(Suggestion.distance(Array(a), Array(b)) == distance)
  }
}
