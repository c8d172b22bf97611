import Linux

extension ImageLoad {
  private func path(_ digest: Digest) -> String { "blobs/sha256/\(digest.hex)" }

  /// The images of an OCI layout (image-spec, image-layout.md). docker's archives of today are one with a
  /// `manifest.json` beside it, whose names are taken too.
  func loadLayout(_ files: ArchiveFiles) throws(Failure) -> [LoadedImage] {
    if let layout = try files.bytes("oci-layout") {
      struct Layout: Decodable { var imageLayoutVersion: String }
      let version = try OCIDocuments.decode(Layout.self, layout, "oci-layout").imageLayoutVersion
      guard version.hasPrefix("1.") else {
        throw Failure(
          .unsupported, "load", "OCI layout",
          reason: "its version is \(Root.printable(Array(version.utf8.prefix(40))))")
      }
    }
    let index = try ImageIndex(
      try files.bytes("index.json") ?? [], announced: nil, object: "index.json")
    let given = try namesByConfig(files)
    var loaded: [LoadedImage] = []
    var skipped: [String] = []
    for entry in index.entries where !entry.isAttestation {
      guard let manifest = try manifest(entry, files, depth: 0, &skipped) else { continue }
      let image = try loadImage(
        manifest.bytes, manifest.digest, names(of: entry.annotations), given, files)
      // Several names of one image are several entries of the index.
      if let place = loaded.firstIndex(where: { $0.id == image.id }) {
        loaded[place] = LoadedImage(
          id: image.id,
          names: loaded[place].names + image.names.filter { !loaded[place].names.contains($0) })
      } else {
        loaded.append(image)
      }
    }
    guard !loaded.isEmpty else {
      let wanted = platform ?? .host
      throw Failure(
        .notFound, "load", "archive",
        reason: skipped.isEmpty
          ? "it has no image"
          : "it has no image for \(wanted), only for \(skipped.joined(separator: ", "))",
        remedy: skipped.isEmpty ? "" : "choose one with --platform")
    }
    return loaded
  }

  private func loadImage(
    _ manifest: [UInt8], _ digest: Digest, _ annotated: [Reference],
    _ given: [(config: Digest, names: [Reference])], _ files: ArchiveFiles
  ) throws(Failure) -> LoadedImage {
    let wanted = try ImageDocuments.configuration(of: manifest, expecting: digest)
    let documents = try ImageDocuments(
      manifest: manifest, expecting: digest,
      config: try bytes(wanted.digest, wanted.size, files, "image configuration"))
    var names = annotated
    for item in given where item.config == documents.id {
      names += item.names.filter { !names.contains($0) }
    }
    return try make(documents, names: names) { (number, body) throws(Failure) in
      try files.withFile(path(documents.layers[number].blob), body)
    }
  }

  /// The manifest of an entry, through an index of platforms; nil when none of its images is wanted.
  private func manifest(
    _ entry: ImageIndex.Entry, _ files: ArchiveFiles, depth: Int, _ skipped: inout [String]
  ) throws(Failure) -> (bytes: [UInt8], digest: Digest)? {
    if let own = entry.platform, !own.os.isEmpty, !(platform?.accepts(own) ?? true) {
      skipped.append("\(own)")
      return nil
    }
    let content = try bytes(entry.digest, entry.size, files, "manifest")
    if try DocumentKind(of: content, announced: entry.mediaType) == .manifest {
      return (content, entry.digest)
    }
    guard depth < 4 else {
      throw Failure(.refused, "load", "image index", reason: "it is nested too deep")
    }
    let index = try ImageIndex(content, expecting: entry.digest)
    guard let chosen = index.select(platform ?? .host) else {
      skipped.append(index.platforms)
      return nil
    }
    return try manifest(chosen, files, depth: depth + 1, &skipped)
  }

  /// A document by its digest, verified.
  private func bytes(
    _ digest: Digest, _ size: Int64, _ files: ArchiveFiles, _ what: String
  ) throws(Failure) -> [UInt8] {
    guard let content = try files.bytes(path(digest)) else {
      throw Failure(.corrupt, "load", what, reason: "\(digest) is not in the archive")
    }
    guard Digest(of: content) == digest else {
      throw Failure(
        .corrupt, "verify", what,
        reason: "its digest is \(Digest(of: content)) instead of \(digest)")
    }
    guard size == 0 || size == content.count else {
      throw Failure(
        .corrupt, "verify", what, reason: "it has \(content.count) bytes instead of \(size)")
    }
    return content
  }

  /// The name that a layout's index gives an image: containerd's and docker's annotation is a whole name,
  /// OCI's own one a tag, unless the tool put a whole name there as skopeo and podman do.
  private func names(of annotations: [String: String]) -> [Reference] {
    if let text = annotations["io.containerd.image.name"], let name = try? Reference(text),
      name.digest == nil
    {
      return [name]
    }
    guard let text = annotations["org.opencontainers.image.ref.name"],
      text.contains(":") || text.contains("/"), let name = try? Reference(text), name.digest == nil
    else { return [] }
    return [name]
  }

  /// The names in docker's manifest.json beside a layout.
  private func namesByConfig(
    _ files: ArchiveFiles
  ) throws(Failure) -> [(config: Digest, names: [Reference])] {
    guard let bytes = try files.bytes("manifest.json") else { return [] }
    var result: [(config: Digest, names: [Reference])] = []
    for item in try DockerArchive.manifest(bytes) {
      let leaf = item.config.split(separator: "/").last.map(String.init) ?? ""
      let hex = leaf.hasSuffix(".json") ? String(leaf.dropLast(5)) : leaf
      guard let digest = Digest(hex: hex) else { continue }
      result.append((digest, try DockerArchive.names(item.repoTags)))
    }
    return result
  }
}
