import Linux
import TestSupport
import Testing

/// Help that shows an example, and one clear line with docker's status for every mistake.
@Suite(.enabled(if: MinidockFixture.isAvailable, MinidockFixture.requirement))
struct ListsBadInputTests {
  let fixture: MinidockFixture

  init() throws { fixture = try MinidockFixture("words") }

  static let commands = [
    "run", "images", "ps", "import", "rmi", "rm", "inspect", "version", "info",
  ]

  @Test func everyCommandsHelpShowsAnExample() throws {
    for command in ListsBadInputTests.commands {
      let help = try fixture.succeed(command, "--help")
      #expect(help.contains("Example:"), "\(command)")
      #expect(help.contains("minidock \(command)"), "\(command)")
    }
    for words in [["--help"], ["help"], ["-h"], []] {
      let result = try fixture.minidock(words)
      #expect(result.status == 0)
      for command in ListsBadInputTests.commands { #expect(result.output.contains("  \(command)")) }
    }
  }

  @Test func mistakesInTheWordsAre125() throws {
    for words in [
      ["nonsense"], ["--nonsense"], ["run"], ["run", "--nonsense", "busybox"], ["run", "--memory"],
      ["ps", "--nonsense"], ["ps", "-n"], ["ps", "word"], ["rm"], ["rmi"], ["inspect"], ["import"],
      ["--root"], ["--rootless", "ps"],
    ] {
      let line = try fixture.refuse(words, status: 125)
      #expect(line.hasSuffix("\n"))
    }
  }

  @Test func mistakesInTheObjectsAre1() throws {
    for words in [
      ["rm", "absent"], ["rmi", "absent"], ["rmi", "NOT/valid"], ["ps", "--filter", "x"],
      ["ps", "--format", "{{"], ["import", "/no/such.tar", "x"],
      ["import", "/etc/passwd", "x"], ["import", "/", "x"], ["import", "/dev/null", "UPPER"],
      ["images", "--format", "{{.X}}x{{"], ["info", "-f", "{{.Nonsense}}"],
      ["inspect", "--type", "thing", "x"],
    ] {
      try fixture.refuse(words, status: 1)
    }
    try fixture.expectNoLeaks()
  }

  @Test func rootsThatOthersCouldWriteToAreRefused() throws {
    let open = fixture.file("open")
    _ = try fixture.shell(#"mkdir -m 777 "$1" && echo x > "$DIRECTORY/file""#, open)
    for root in [open, fixture.file("file"), "/proc/nonsense"] {
      let result = try fixture.minidock("--root", root, "ps")
      #expect(result.status == 1, "\(root)")
      #expect(result.errors.lines.count == 1)
      #expect(result.errors.contains(root))
    }
  }
}
