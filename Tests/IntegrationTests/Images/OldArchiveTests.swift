import Linux
import TestSupport
import Testing

/// Archives of docker before 1.10: `repositories` leads to the last of a chain of layers, each with a document
/// of its own that names the one below it.
@Suite(.enabled(if: MinidockFixture.isAvailable, MinidockFixture.requirement))
struct OldArchiveTests {
  let fixture: MinidockFixture
  private let low = String(repeating: "1a", count: 32)
  private let high = String(repeating: "2b", count: 32)

  init() throws { fixture = try MinidockFixture("oldarchive") }

  /// Two layers; the upper one replaces a file and removes another.
  private func archive(
    parent: String? = nil, top: String? = nil, without missing: String = "",
    manifest: String? = nil
  ) -> [UInt8] {
    let lower = TarBuilder.archive { tar in
      tar.file("kept", "lower")
      tar.file("both", "lower")
      tar.file("gone", "lower")
    }
    let upper = TarBuilder.archive { tar in
      tar.file("both", "upper")
      tar.file(".wh.gone", "")
    }
    let below = parent.map { #", "parent": "\#($0)""# } ?? ""
    let files: [(String, [UInt8])] = [
      ("\(low)/VERSION", Array("1.0".utf8)), ("\(low)/layer.tar", lower),
      (
        "\(low)/json",
        Array(
          #"{"id": "\#(low)"\#(below), "created": "2013-01-02T03:04:05Z", "container_config": {"Cmd": ["add"]}}"#
            .utf8)
      ),
      ("\(high)/VERSION", Array("1.0".utf8)), ("\(high)/layer.tar", upper),
      (
        "\(high)/json",
        Array(
          #"""
          {"id": "\#(high)", "parent": "\#(low)", "created": "2014-01-02T03:04:05Z", "author": "anna",
           "architecture": "amd64", "os": "linux", "config": {"Cmd": ["run", "it"], "Env": ["A=b"]}}
          """#.utf8)
      ),
      (
        "repositories",
        Array(
          #"{"old": {"1": "\#(top ?? high)", "again": "\#(top ?? high)"}, "base": {"1": "\#(low)"}}"#
            .utf8)
      ),
    ]
    return TarBuilder.archive { tar in
      for (name, bytes) in files where name != missing { tar.file(name, bytes) }
      if let manifest { tar.file("manifest.json", manifest) }
    }
  }

  private func load(_ archive: [UInt8]) throws -> CommandResult {
    try Files.replace(fixture.file("old.tar"), with: archive)
    return try fixture.minidock("load", "-i", fixture.file("old.tar"))
  }

  @Test func everyImageOfRepositoriesIsLoadedWithItsLayersAndHistory() throws {
    let loaded = try load(archive())
    #expect(loaded.status == 0, "\(loaded)")
    #expect(
      loaded.output.lines.sorted() == [
        "Loaded image: base:1", "Loaded image: old:1", "Loaded image: old:again",
      ], "\(loaded)")
    #expect(
      try fixture.succeed(
        "inspect", "--format", "{{.Config.Cmd}} {{.Config.Env}} {{.Created}}", "old:1")
        == "[run it] [A=b] 2014-01-02T03:04:05.000000000Z")
    #expect(try fixture.succeed("images", "-q").lines.count == 3)
    #expect(Set(try fixture.succeed("images", "-q", "old").lines).count == 1)
    #expect(try fixture.succeed("history", "-q", "old:1").lines.count == 2)
    let tree = try fixture.succeed("image", "mount", "old:1")
    #expect(try Files.list(tree).sorted() == ["both", "kept"])
    #expect(Files.text(tree + "/both") == "upper")
    try fixture.succeed("image", "unmount", "old:1")
    #expect(try fixture.succeed("image", "check") == "no problems found")
    // What is saved has the old form beside the new ones, and is the same image.
    let id = try fixture.succeed("images", "-q", "--no-trunc", "old:1")
    try fixture.succeed(
      "save", "--format", "docker-archive", "-o", fixture.file("new.tar"), "old:1")
    try fixture.succeed("rmi", "old:1", "old:again", "base:1")
    #expect(
      try fixture.succeed("load", "-q", "-i", fixture.file("new.tar")) == "Loaded image: old:1")
    #expect(try fixture.succeed("images", "-q", "--no-trunc", "old:1") == id)
  }

  @Test func whatIsWrongWithAChainIsNamedAndNothingOfItLoaded() throws {
    for (what, archive, told) in [
      ("circle", archive(parent: high), "does not end"),
      ("no layer", archive(without: "\(low)/layer.tar"), "\(low)/layer.tar"),
      ("no document", archive(without: "\(low)/json"), "\(low)/json"),
      ("no id", archive(top: "../../etc"), "leads to no image id"),
      ("absent", archive(top: String(repeating: "3c", count: 32)), "/json"),
    ] {
      let result = try load(archive)
      #expect(result.status == 1 && result.errors.lines.count == 1, "\(what): \(result)")
      #expect(result.errors.contains(told), "\(what): \(result.errors)")
      #expect(try fixture.succeed("images", "-q", "old").isEmpty, "\(what)")
      for id in Set(try fixture.succeed("images", "-aq").lines) {
        try fixture.succeed("rmi", "-f", id)
      }
      for folder in ["blobs/sha256", "layers", "ingest"] {
        #expect(try Files.list("\(fixture.root)/\(folder)") == [], "\(what) \(folder)")
      }
    }
    // A manifest.json goes before it.
    let result = try load(archive(manifest: "[]"))
    #expect(result.status == 1, "\(result)")
  }
}
