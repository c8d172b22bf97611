import Linux
import TestSupport
import Testing

/// The ways by which an image from outside gets into the store, each with the same image behind it.
struct ImageDoors {
  enum Door: String, CaseIterable, CustomTestStringConvertible {
    case layout = "load of an OCI layout"
    case directory = "load of a layout's directory"
    case docker = "load of docker's archive"
    case registry = "pull"

    var testDescription: String { rawValue }
    /// Those whose manifest is the image's own, and not made of what is found.
    static let described: [Door] = [.layout, .directory, .registry]
  }

  let fixture: MinidockFixture
  let server: HostileRegistry

  static let isAvailable = MinidockFixture.isAvailable && hasProgram("python3")
  static let requirement: Comment = "needs root, MINIDOCK_BINARY, MINIDOCK_IMAGES and python3"

  init(_ label: String) throws {
    fixture = try MinidockFixture(label)
    server = try HostileRegistry(fixture.file("hostile"))
    try fixture.write("config.toml", "[transfer]\nretries = 0\nstall-seconds = 20\n")
  }

  /// Brings an image in; its name is then "localhost/evil:1", or `HOST/evil:latest` when it was pulled.
  func bring(
    _ image: HostileImage, by door: Door, measuring tool: String? = nil
  ) throws -> CommandResult {
    let words: [String]
    switch door {
    case .layout:
      try Files.replace(fixture.file("in.tar"), with: image.archive)
      words = ["load", "-q", "-i", fixture.file("in.tar")]
    case .docker:
      try Files.replace(fixture.file("in.tar"), with: image.dockerArchive)
      words = ["load", "-q", "-i", fixture.file("in.tar")]
    case .directory:
      try Files.removeTree(fixture.file("in"))
      try image.write(layout: fixture.file("in"))
      words = ["load", "-q", "-i", fixture.file("in")]
    case .registry:
      try image.serve(by: server)
      words = ["pull", "-q", "\(server.host)/evil"]
    }
    let measured = tool.map { [$0, "measure"] } ?? []
    return try run(
      measured + [MinidockFixture.binary] + words, environment: fixture.environment + settings)
  }

  /// The fixture's own settings for registries.
  private var settings: [String] {
    [
      "MINIDOCK_CONFIG=\(fixture.file("config.toml"))", "DOCKER_CONFIG=\(fixture.file("docker"))",
      "HTTP_PROXY=", "HTTPS_PROXY=", "http_proxy=", "https_proxy=",
    ]
  }

  /// What the store holds, as paths below its root; empty when nothing is left of any image.
  func contents() throws -> [String] {
    var found: [String] = []
    for folder in ["images", "layers", "blobs/sha256", "ingest", "names", "remote"] {
      let path = "\(fixture.root)/\(folder)"
      if Files.exists(path) { found += try Files.list(path).map { "\(folder)/\($0)" } }
    }
    return found
  }

  /// The command ended with one line that has `told` in it, and left nothing.
  func expectRefusal(
    _ result: CommandResult, _ told: String, _ what: String,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    #expect(
      result.status == 1 && result.errors.lines.count == 1 && result.errors.contains(told),
      "\(what): \(result.status) \(result.output)\(result.errors)", sourceLocation: sourceLocation)
    let left = try contents()
    #expect(left == [], "\(what)", sourceLocation: sourceLocation)
  }

  /// The image is there, and goes again without leaving anything.
  func expectTaken(
    _ result: CommandResult, _ what: String, sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    #expect(
      result.status == 0, "\(what): \(result.output)\(result.errors)",
      sourceLocation: sourceLocation)
    try clear()
    let left = try contents()
    #expect(left == [], "\(what)", sourceLocation: sourceLocation)
  }

  /// Removes every image.
  func clear() throws {
    let ids = try Files.list(fixture.root + "/images")
    if !ids.isEmpty { try fixture.succeed(["rmi", "-f"] + ids) }
  }

  /// Bytes through a compressor: "gzip -1", "zstd -q".
  func compressed(_ bytes: [UInt8], _ command: String) throws -> [UInt8] {
    try Files.replace(fixture.file("plain"), with: bytes)
    let result = try fixture.shell(
      "\(command) -c < \"$DIRECTORY/plain\" > \"$DIRECTORY/packed\"")
    try #require(result.status == 0, "\(result.errors)")
    return try Files.read(fixture.file("packed"), limit: 1 << 30) ?? []
  }
}
