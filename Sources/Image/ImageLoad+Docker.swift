import Crypto
import Linux

/// The documents of docker's own archives.
enum DockerArchive {
  /// An image in `manifest.json`.
  struct Item: Decodable {
    var config: String
    var repoTags: [String]?
    var layers: [String]?
    enum CodingKeys: String, CodingKey {
      case config = "Config"
      case repoTags = "RepoTags"
      case layers = "Layers"
    }
  }

  /// `<id>/json` of the oldest layout.
  struct Ancestor: Decodable {
    var parent: String?
    var created: String?
    var author: String?
    var comment: String?
    var architecture: String?
    var os: String?
    var config: OCIDocuments.Run?
    var containerConfig: OCIDocuments.Run?
    enum CodingKeys: String, CodingKey {
      case parent, created, author, comment, architecture, os, config
      case containerConfig = "container_config"
    }
  }

  static func manifest(_ bytes: [UInt8]) throws(Failure) -> [Item] {
    let items = try OCIDocuments.decode([Item].self, bytes, "manifest.json")
    guard items.count <= 10_000, items.allSatisfy({ $0.layers?.count ?? 0 <= 500 }) else {
      throw Failure(.refused, "read", "manifest.json", reason: "it has too many images or layers")
    }
    return items
  }

  static func names(_ tags: [String]?) throws(Failure) -> [Reference] {
    var names: [Reference] = []
    for text in tags ?? [] {
      let name = try Reference(text)
      guard name.digest == nil else { continue }
      if !names.contains(name) { names.append(name) }
    }
    return names
  }
}

extension ImageLoad {
  /// The images of `docker save` before version 25, and of skopeo's and podman's docker-archive.
  func loadDockerArchive(_ files: ArchiveFiles) throws(Failure) -> [LoadedImage] {
    var loaded: [LoadedImage] = []
    for item in try DockerArchive.manifest(try files.bytes("manifest.json") ?? []) {
      guard let config = try files.bytes(item.config) else {
        throw missing(item.config)
      }
      try check(config, named: item.config)
      loaded.append(
        try makeImage(
          config, item.layers ?? [], names: try DockerArchive.names(item.repoTags), files))
    }
    guard !loaded.isEmpty else {
      throw Failure(.corrupt, "load", "archive", reason: "its manifest.json names no image")
    }
    return loaded
  }

  /// A file that is called by its digest must have it.
  private func check(_ content: [UInt8], named path: String) throws(Failure) {
    let leaf = path.split(separator: "/").last.map(String.init) ?? ""
    let hex = leaf.hasSuffix(".json") ? String(leaf.dropLast(5)) : leaf
    guard let digest = Digest(hex: hex), digest != Digest(of: content) else { return }
    throw Failure(
      .corrupt, "verify", "image configuration",
      reason: "its digest is \(Digest(of: content)) instead of \(digest)")
  }

  private func missing(_ path: String) -> Failure {
    Failure(
      .corrupt, "load", "archive",
      reason: "\(Root.printable(Array(path.utf8.prefix(200)))), which it names, is not in it")
  }

  /// An image whose manifest has to be made here, as the archive has only configuration and layers.
  private func makeImage(
    _ config: [UInt8], _ paths: [String], names: [Reference], _ files: ArchiveFiles
  ) throws(Failure) -> LoadedImage {
    let id = Digest(of: config)
    let document = try OCIDocuments.decode(
      OCIDocuments.Config.self, config, "image configuration")
    let diffIDs = try ImageDocuments.diffIDs(document)
    guard diffIDs.count == paths.count else {
      throw Failure(
        .corrupt, "read", "image configuration",
        reason: "it has \(diffIDs.count) diff ids for \(paths.count) layers")
    }
    if let existing = try store.record(id) {
      for name in names { try store.tag(existing, as: name) }
      return LoadedImage(id: id, names: names)
    }
    var descriptors: [OCIDocuments.Descriptor] = []
    for (index, path) in paths.enumerated() {
      var found: OCIDocuments.Descriptor?
      let isThere = try files.withFile(path) { (file, length) throws(Failure) in
        found = try descriptor(file, length, diffIDs[index])
      }
      guard isThere, let found else { throw missing(path) }
      descriptors.append(found)
    }
    let manifest = OCIDocuments.Manifest(
      config: OCIDocuments.Descriptor(
        mediaType: OCIDocuments.configType, digest: id.description, size: Int64(config.count)),
      layers: descriptors)
    var documents = try ImageDocuments(
      manifest: try OCIDocuments.encode(manifest, "image manifest"), expecting: nil, config: config)
    documents.isMadeHere = true
    return try make(documents, names: names) { (number, body) throws(Failure) in
      try files.withFile(paths[number], body)
    }
  }

  /// What a manifest says of a layer: a plain tar's digest is its diff id, which is verified when it is
  /// unpacked; a compressed one's has to be found out.
  private func descriptor(
    _ file: Int32, _ length: Int64, _ diffID: Digest
  ) throws(Failure) -> OCIDocuments.Descriptor {
    let head = try ArchiveKind.readHead(file, limit: length)
    let type: LayerType
    var digest = diffID
    switch head.withUnsafeBytes({ ArchiveKind(head: $0) }) {
    case .gzip: type = .gzip
    case .zstd: type = .zstd
    case .tar: type = .tar
    default:
      throw Failure(
        .unsupported, "load", "layer \(diffID.short)",
        reason: "it is not a tar, plain or compressed with gzip or zstd")
    }
    if type != .tar { digest = try Self.digest(head, file, length) }
    return OCIDocuments.Descriptor(
      mediaType: type.mediaType, digest: digest.description, size: length)
  }

  /// Hashes what is left of a file of `length` bytes after its head.
  static func digest(_ head: [UInt8], _ file: Int32, _ length: Int64) throws(Failure) -> Digest {
    var hasher = SHA256()
    head.withUnsafeBytes { hasher.update(bufferPointer: $0) }
    var left = length - Int64(head.count)
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 512 << 10, alignment: 4096)
    defer { buffer.deallocate() }
    while left > 0 {
      let space = UnsafeMutableRawBufferPointer(
        rebasing: buffer[..<Int(min(Int64(buffer.count), left))])
      let count = try readBytes(file, into: space)
      guard count > 0 else {
        throw Failure(.corrupt, "read", "layer", reason: "it is cut short")
      }
      hasher.update(bufferPointer: UnsafeRawBufferPointer(rebasing: buffer[..<count]))
      left -= Int64(count)
    }
    return Digest(finishing: hasher)
  }

  // MARK: - Before manifest.json

  /// The images of docker before 1.10: `repositories`, and for each layer `json` and `layer.tar`.
  func loadOldArchive(_ files: ArchiveFiles) throws(Failure) -> [LoadedImage] {
    let repositories = try OCIDocuments.decode(
      [String: [String: String]].self, try files.bytes("repositories") ?? [], "repositories")
    var byTop: [String: [Reference]] = [:]
    for (name, tags) in repositories.sorted(by: { $0.key < $1.key }) {
      for (tag, top) in tags.sorted(by: { $0.key < $1.key }) {
        guard Digest(hex: top) != nil else {
          throw Failure(.corrupt, "read", "repositories", reason: "it leads to no image id")
        }
        byTop[top, default: []].append(try Reference("\(name):\(tag)"))
      }
    }
    var loaded: [LoadedImage] = []
    for (top, names) in byTop.sorted(by: { $0.key < $1.key }) {
      let (config, paths) = try oldImage(top, files)
      loaded.append(try makeImage(config, paths, names: names, files))
    }
    guard !loaded.isEmpty else {
      throw Failure(.corrupt, "load", "archive", reason: "its repositories name no image")
    }
    return loaded
  }

  /// The configuration and layers of a chain of `json` files.
  private func oldImage(
    _ top: String, _ files: ArchiveFiles
  ) throws(Failure) -> (config: [UInt8], layers: [String]) {
    var chain: [(id: String, document: DockerArchive.Ancestor)] = []
    var next: String? = top
    while let id = next, !id.isEmpty {
      guard Digest(hex: id) != nil, chain.count < 500 else {
        throw Failure(.corrupt, "load", "archive", reason: "its chain of images does not end")
      }
      guard let bytes = try files.bytes("\(id)/json") else { throw missing("\(id)/json") }
      let document = try OCIDocuments.decode(DockerArchive.Ancestor.self, bytes, "\(id)/json")
      chain.append((id, document))
      next = document.parent
    }
    chain.reverse()
    var diffIDs: [String] = []
    var history: [OCIDocuments.History] = []
    for (id, document) in chain {
      var digest: Digest?
      let isThere = try files.withFile("\(id)/layer.tar") { (file, length) throws(Failure) in
        digest = try Self.digest([], file, length)
      }
      guard isThere, let digest else { throw missing("\(id)/layer.tar") }
      diffIDs.append(digest.description)
      history.append(
        OCIDocuments.History(
          created: document.created,
          createdBy: document.containerConfig?.cmd?.joined(separator: " "),
          author: document.author, comment: document.comment))
    }
    let last = chain[chain.count - 1].document
    let config = OCIDocuments.Config(
      created: last.created, author: last.author,
      architecture: last.architecture ?? Platform.architecture, os: last.os ?? Platform.os,
      config: last.config, rootfs: OCIDocuments.RootFS(diffIDs: diffIDs), history: history)
    return (
      try OCIDocuments.encode(config, "image configuration"),
      chain.map { "\($0.id)/layer.tar" }
    )
  }
}
