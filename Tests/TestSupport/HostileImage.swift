import Crypto
import Linux

/// An image made byte by byte, so that a test can lie in any part of it, in every form in which an image
/// comes: an OCI layout, docker's archive, and a registry's.
public struct HostileImage: Sendable {
  /// A layer as the manifest and the configuration describe it.
  public struct Layer: Sendable {
    /// The blob.
    public var blob: [UInt8]
    /// What the manifest says of it: its digest, size and type.
    public var digest: String
    /// See there.
    public var size: Int
    /// See there.
    public var mediaType: String
    /// What the configuration says of it.
    public var diffID: String

    /// A layer that is as it should be.
    ///
    /// - Parameters:
    ///   - blob: as stored.
    ///   - tar: what it holds uncompressed; nil when it is not compressed.
    ///   - kind: "", "+gzip" or "+zstd".
    public init(_ blob: [UInt8], of tar: [UInt8]? = nil, _ kind: String = "") {
      self.blob = blob
      digest = sha256(blob)
      size = blob.count
      mediaType = "application/vnd.oci.image.layer.v1.tar" + kind
      diffID = tar.map(sha256) ?? digest
    }
  }

  /// Lowest first.
  public var layers: [Layer]
  /// The configuration's bytes.
  public var config: [UInt8]
  /// The manifest's bytes.
  public var manifest: [UInt8]
  /// The manifest's media type, as an index and a registry give it.
  public var manifestType = "application/vnd.oci.image.manifest.v1+json"
  /// More members of the index's entry for the manifest: `, "platform": {…}`.
  public var entry = ""

  /// The digest of the manifest.
  public var digest: String { sha256(manifest) }
  /// The image's id.
  public var id: String { sha256(config) }

  /// An image that is as it should be.
  ///
  /// - Parameters:
  ///   - platform: os and architecture.
  ///   - changes: words to replace in the manifest.
  public init(
    _ layers: [Layer], platform: String = "linux/amd64", changes: [(String, String)] = []
  ) {
    self.layers = layers
    let parts = platform.split(separator: "/").map(String.init)
    let diffs = layers.map { "\"\($0.diffID)\"" }.joined(separator: ", ")
    let text = """
      {"architecture": "\(parts[1])", "os": "\(parts[0])", "config": {"Cmd": ["/bin/true"]}, \
      "rootfs": {"type": "layers", "diff_ids": [\(diffs)]}}
      """
    config = Array(text.utf8)
    let blobs = layers.map {
      "{\"mediaType\": \"\($0.mediaType)\", \"digest\": \"\($0.digest)\", \"size\": \($0.size)}"
    }
    var document = """
      {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", \
      "config": {"mediaType": "application/vnd.oci.image.config.v1+json", \
      "digest": "\(sha256(config))", "size": \(config.count)}, \
      "layers": [\(blobs.joined(separator: ", "))]}
      """
    for (word, other) in changes { document = document.replacing(word, with: other) }
    manifest = Array(document.utf8)
  }

  /// An image of one plain layer.
  public init(tar: [UInt8]) { self.init([Layer(tar)]) }

  /// The files of an OCI layout with the name "evil:1".
  public var layout: [(path: String, bytes: [UInt8])] {
    let index = """
      {"schemaVersion": 2, "manifests": [{"mediaType": "\(manifestType)", \
      "digest": "\(digest)", "size": \(manifest.count), \
      "annotations": {"io.containerd.image.name": "localhost/evil:1", \
      "org.opencontainers.image.ref.name": "1"}\(entry)}]}
      """
    var files = [
      ("oci-layout", Array(#"{"imageLayoutVersion": "1.0.0"}"#.utf8)),
      ("index.json", Array(index.utf8)),
    ]
    for bytes in [manifest, config] + layers.map(\.blob) {
      files.append(("blobs/sha256/\(sha256(bytes).dropFirst(7))", bytes))
    }
    return files
  }

  /// The layout as a tar.
  public var archive: [UInt8] {
    TarBuilder.archive { tar in for (path, bytes) in layout { tar.file(path, bytes) } }
  }

  /// As `docker save` wrote it before version 25, with the name "evil:1".
  public var dockerArchive: [UInt8] {
    let paths = layers.indices.map { "\"\($0)/layer.tar\"" }.joined(separator: ", ")
    let name = id.dropFirst(7) + ".json"
    let list = """
      [{"Config": "\(name)", "RepoTags": ["localhost/evil:1"], "Layers": [\(paths)]}]
      """
    return TarBuilder.archive { tar in
      tar.file("manifest.json", Array(list.utf8))
      tar.file(String(name), config)
      for (index, layer) in layers.enumerated() { tar.file("\(index)/layer.tar", layer.blob) }
    }
  }

  /// Writes the layout below a directory, which is made.
  public func write(layout directory: String) throws {
    try Files.makeDirectories(directory + "/blobs/sha256", mode: 0o755)
    for (path, bytes) in layout { try Files.replace("\(directory)/\(path)", with: bytes) }
  }

  /// Lets a registry have it as NAME:latest.
  public func serve(by registry: HostileRegistry, as name: String = "evil") throws {
    for blob in [config] + layers.map(\.blob) { try registry.add(blob: blob) }
    try registry.add(manifest: manifest, name, "latest")
  }
}

/// "sha256:" and the digest of bytes.
public func sha256(_ bytes: [UInt8]) -> String {
  "sha256:" + hex(Array(SHA256.hash(data: bytes)))
}

extension TarBuilder {
  /// Adds a file of bytes.
  public mutating func file(_ name: String, _ content: [UInt8]) {
    var header = Header(name)
    header.size = content.count
    add(header, content)
  }
}
