import Crypto
import Linux

/// Writes images into an archive that other engines read, or into an OCI layout's directory.
public struct ImageSave {
  /// What is written.
  public enum Format: String, Sendable, CaseIterable {
    /// docker's since version 25: an OCI layout with docker's `manifest.json` beside it. docker, podman,
    /// skopeo and everything that reads OCI layouts take it.
    case docker
    /// docker's before that: `manifest.json` and blobs alone.
    case dockerArchive = "docker-archive"
    /// An OCI layout alone, as a tar.
    case ociArchive = "oci-archive"
    /// An OCI layout as a directory.
    case ociDirectory = "oci-dir"
  }

  /// An image with the names that go along.
  public struct Item: Sendable {
    /// The image.
    public let image: ImageRecord
    /// Names that shall lead to it where it is loaded; none is fine.
    public let names: [Reference]

    /// An image and its names.
    public init(image: ImageRecord, names: [Reference]) {
      self.image = image
      self.names = names
    }
  }

  let store: ImageStore
  /// Told the number of bytes of blobs written.
  public var progress: (TransferCount) -> Void = { _ in }

  /// Saves from a store.
  public init(_ store: ImageStore) { self.store = store }

  /// Writes a tar.
  ///
  /// - Throws: ``Failure/Code/corrupt`` when a blob is missing or is not what its digest says.
  public func write(_ items: [Item], format: Format, to output: Int32) throws(Failure) {
    let tar = try TarWriter { (bytes) throws(Failure) in
      try writeAll(output, bytes, object: "archive")
    }
    try tar.add(Array("blobs/".utf8), .directory, metadata(0o755))
    try tar.add(Array("blobs/sha256/".utf8), .directory, metadata(0o755))
    var count = TransferCount()
    for digest in blobs(of: items) {
      let blob = try openBlob(digest)
      try tar.add(
        Array("blobs/sha256/\(digest.hex)".utf8), .file(size: try blob.fileStatus().size),
        metadata(0o644))
      try copy(blob, digest, &count) { (bytes) throws(Failure) in try tar.write(bytes) }
    }
    for (name, bytes) in try documents(items, format) {
      try tar.add(Array(name.utf8), .file(size: Int64(bytes.count)), metadata(0o644))
      try bytes.withBytes { (raw) throws(Failure) in try tar.write(raw) }
    }
    try tar.finish()
  }

  /// Makes an OCI layout's directory, which must be new or empty.
  public func write(_ items: [Item], directory path: String) throws(Failure) {
    try Files.makeDirectories(path, mode: 0o755)
    guard try Files.list(path).isEmpty else {
      throw Failure(.exists, "save", path, reason: "the directory is not empty")
    }
    try Files.makeDirectories(path + "/blobs/sha256", mode: 0o755)
    var count = TransferCount()
    for digest in blobs(of: items) {
      let blob = try openBlob(digest)
      let target = "\(path)/blobs/sha256/\(digest.hex)"
      let file = try Descriptor.open(target, .createNew(mode: 0o644))
      try copy(blob, digest, &count) { (bytes) throws(Failure) in
        try writeAll(file.raw, bytes, object: target)
      }
    }
    for (name, bytes) in try documents(items, .ociDirectory) {
      let file = try Descriptor.open("\(path)/\(name)", .createNew(mode: 0o644))
      try file.write(bytes, object: "\(path)/\(name)")
    }
  }

  /// Always the same, so that the same images give the same archive.
  private func metadata(_ mode: UInt32) -> TreeWriter.Metadata {
    let epoch = FileTime(seconds: 0, nanoseconds: 0)
    return TreeWriter.Metadata(mode: mode, user: 0, group: 0, accessed: epoch, modified: epoch)
  }

  private func blobs(of items: [Item]) -> [Digest] {
    var seen: Set<Digest> = []
    return items.flatMap { [$0.image.id, $0.image.manifest] + $0.image.layers.map(\.blob) }
      .filter { seen.insert($0).inserted }
  }

  private func openBlob(_ digest: Digest) throws(Failure) -> Descriptor {
    do throws(Failure) {
      return try Descriptor.open(store.blobPath(digest), .read)
    } catch  where error.errno == ErrorNumber.noEntry {
      throw Failure(
        .corrupt, "save", "image", reason: "blob \(digest) is missing from the store",
        remedy: "minidock image check --repair looks for it")
    }
  }

  /// Copies a blob, and notices when it is another one than it says.
  private func copy(
    _ blob: borrowing Descriptor, _ digest: Digest, _ count: inout TransferCount,
    _ write: (UnsafeRawBufferPointer) throws(Failure) -> Void
  ) throws(Failure) {
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 512 << 10, alignment: 4096)
    defer { buffer.deallocate() }
    var hasher = SHA256()
    while true {
      let got = try readBytes(blob.raw, into: buffer)
      if got == 0 { break }
      let bytes = UnsafeRawBufferPointer(rebasing: buffer[..<got])
      hasher.update(bufferPointer: bytes)
      try write(bytes)
      count.bytes += Int64(got)
      progress(count)
    }
    let found = Digest(finishing: hasher)
    guard found == digest else {
      throw Failure(
        .corrupt, "save", "image", reason: "blob \(digest) has the digest \(found)",
        remedy: "minidock image check --repair mends it where it can")
    }
  }

  // MARK: - The documents of the archive

  private struct Index: Encodable {
    var schemaVersion = 2
    var mediaType = "application/vnd.oci.image.index.v1+json"
    var manifests: [OCIDocuments.Descriptor]
  }

  private struct DockerItem: Encodable {
    var config: String
    var repoTags: [String]?
    var layers: [String]
    enum CodingKeys: String, CodingKey {
      case config = "Config"
      case repoTags = "RepoTags"
      case layers = "Layers"
    }
  }

  private struct Layout: Encodable { var imageLayoutVersion = "1.0.0" }

  private func documents(
    _ items: [Item], _ format: Format
  ) throws(Failure) -> [(name: String, bytes: [UInt8])] {
    var files: [(name: String, bytes: [UInt8])] = []
    if format != .dockerArchive {
      let index = Index(
        manifests: try items.flatMapTyped { (item) throws(Failure) in
          try entries(of: item, isDocker: format == .docker)
        })
      files.append(("index.json", try OCIDocuments.encode(index, "index.json")))
      files.append(("oci-layout", try OCIDocuments.encode(Layout(), "oci-layout")))
    }
    if format == .docker || format == .dockerArchive {
      let list = items.map { item in
        DockerItem(
          config: "blobs/sha256/\(item.image.id.hex)",
          repoTags: item.names.isEmpty ? nil : item.names.map(\.familiar),
          layers: item.image.layers.map { "blobs/sha256/\($0.blob.hex)" })
      }
      files.append(("manifest.json", try OCIDocuments.encode(list, "manifest.json")))
    }
    return files
  }

  /// An entry for each name, or one without.
  private func entries(
    of item: Item, isDocker: Bool
  ) throws(Failure) -> [OCIDocuments.Descriptor] {
    let image = item.image
    let bytes = try store.document(image.manifest, "image \(image.id.short)")
    let manifest = try OCIDocuments.decode(
      OCIDocuments.Manifest.self, bytes, "image \(image.id.short)")
    var entry = OCIDocuments.Descriptor(
      mediaType: manifest.mediaType ?? OCIDocuments.manifestType,
      digest: image.manifest.description, size: Int64(bytes.count))
    entry.platform = OCIDocuments.Platform(
      architecture: image.architecture, os: image.os,
      variant: image.variant.isEmpty ? nil : image.variant)
    if item.names.isEmpty { return [entry] }
    return item.names.map { name in
      // OCI's annotation is a tag for docker, and a whole name for podman and skopeo.
      entry.annotations = [
        "io.containerd.image.name": name.canonical,
        "org.opencontainers.image.ref.name": isDocker ? name.tag ?? "latest" : name.canonical,
      ]
      return entry
    }
  }
}

extension Array {
  func flatMapTyped<Result>(
    _ body: (Element) throws(Failure) -> [Result]
  ) throws(Failure) -> [Result] {
    var result: [Result] = []
    for element in self { result += try body(element) }
    return result
  }
}
