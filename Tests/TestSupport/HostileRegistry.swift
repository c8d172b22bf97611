import Glibc
import Linux

/// A registry that lies (Tests/Registry/hostile_registry.py): serves images that it makes up, plays the
/// tricks that a test asks for, and records all that it is sent.
public final class HostileRegistry {
  /// "127.0.0.1:PORT".
  public let host: String
  private let directory: String
  private let process: BackgroundProcess

  /// The digests of an image that it has.
  public struct MadeImage: Sendable {
    /// "sha256:…"
    public let manifest: String
    /// "sha256:…"
    public let config: String
    /// The lowest first.
    public let layers: [String]
  }

  private static let script: String = {
    let here = #filePath.split(separator: "/").dropLast(2).joined(separator: "/")
    return "/\(here)/Registry/hostile_registry.py"
  }()

  /// Starts one with its files in `directory`.
  ///
  /// - Parameter certificate: certificate and key in PEM for https.
  public init(_ directory: String, certificate: (String, String)? = nil) throws {
    self.directory = directory
    try Files.makeDirectories(directory, mode: 0o755)
    process = try BackgroundProcess(
      ["python3", HostileRegistry.script, "serve", directory]
        + (certificate.map { [$0.0, $0.1] } ?? []))
    for _ in 0..<4000 where !Files.exists(directory + "/port") { usleep(5000) }
    guard let port = Files.text(directory + "/port") else {
      throw Failure(.invalid, "start", "hostile registry", reason: process.errors)
    }
    host = "127.0.0.1:\(port)"
  }

  /// Makes an image and gives it a name.
  ///
  /// - Parameters:
  ///   - kind: "gzip", "zstd" or "plain".
  ///   - size: bytes of the file in each layer, which does not compress.
  @discardableResult
  public func make(
    _ name: String = "app", _ tag: String = "latest", layers: Int = 1, size: Int = 100_000,
    kind: String = "gzip", platform: String = "linux/amd64"
  ) throws -> MadeImage {
    let result = try run([
      "python3", HostileRegistry.script, "make", directory, name, tag, "\(layers)", "\(size)", kind,
      platform,
    ])
    guard result.status == 0 else {
      throw Failure(.invalid, "make", name, reason: result.errors)
    }
    let lines = result.output.split(separator: "\n").map(String.init)
    return MadeImage(manifest: lines[0], config: lines[1], layers: Array(lines[2...]))
  }

  /// Plays these tricks from now on, in JSON.
  public func play(_ tricks: String) throws {
    try Files.replace(
      directory + "/tricks.json", with: Array(tricks.utf8), through: directory + "/tricks.tmp")
  }

  /// What it has been sent since it was last asked: a line of JSON for each request.
  public func requests() -> [String] {
    let text = Files.text(directory + "/requests.jsonl") ?? ""
    unlink(directory + "/requests.jsonl")
    return text.split(separator: "\n").map(String.init)
  }

  /// The bytes of a manifest or blob.
  public func bytes(_ kind: String, _ digest: String) throws -> [UInt8] {
    try Files.read("\(directory)/\(kind)/\(digest.dropFirst(7))", limit: 1 << 30) ?? []
  }

  /// Adds a manifest as it is, under a tag.
  @discardableResult
  public func add(manifest text: String, _ name: String, _ tag: String) throws -> String {
    try add(manifest: Array(text.utf8), name, tag)
  }

  /// Adds a manifest as it is, under a tag.
  @discardableResult
  public func add(manifest: [UInt8], _ name: String, _ tag: String) throws -> String {
    let digest = sha256(manifest)
    try Files.makeDirectories(directory + "/manifests", mode: 0o755)
    try Files.makeDirectories("\(directory)/tags/\(name)", mode: 0o755)
    try Files.replace("\(directory)/manifests/\(digest.dropFirst(7))", with: manifest)
    try Files.replace("\(directory)/tags/\(name)/\(tag)", with: Array(digest.utf8))
    return digest
  }

  /// Adds a blob.
  public func add(blob: [UInt8]) throws {
    try Files.makeDirectories(directory + "/blobs", mode: 0o755)
    try Files.replace("\(directory)/blobs/\(sha256(blob).dropFirst(7))", with: blob)
  }
}
