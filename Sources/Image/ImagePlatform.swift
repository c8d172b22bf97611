import Linux

/// An operating system and architecture in OCI's words: "linux/arm64/v8".
public struct ImagePlatform: Sendable, Equatable, CustomStringConvertible {
  /// GOOS: "linux".
  public var os: String
  /// GOARCH: "amd64".
  public var architecture: String
  /// "v8" for arm64; empty for none.
  public var variant: String

  /// A platform by its parts.
  public init(os: String, architecture: String, variant: String = "") {
    self.os = os
    self.architecture = architecture
    self.variant = variant
  }

  /// The platform of this machine.
  public static var host: ImagePlatform {
    ImagePlatform(os: Platform.os, architecture: Platform.architecture, variant: Platform.variant)
  }

  /// Parses `[OS/]ARCHITECTURE[/VARIANT]` as docker's `--platform` takes it, with uname's names of
  /// architectures too.
  ///
  /// - Throws: ``Failure/Code/invalid``.
  public init(_ text: String) throws(Failure) {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false).map {
      $0.lowercased()
    }
    let isPlain = parts.allSatisfy { part in
      !part.isEmpty && part.utf8.count <= 32 && part.utf8.allSatisfy(Self.isWordByte)
    }
    guard isPlain, (1...3).contains(parts.count) else {
      throw Failure(
        .invalid, "parse", "--platform \(Root.printable(Array(text.utf8.prefix(100))))",
        reason: "it is not OS/ARCHITECTURE[/VARIANT]", remedy: "write it like linux/arm64")
    }
    if parts.count == 1 {
      let isSystem = ["linux", "windows", "darwin", "freebsd"].contains(parts[0])
      let host = ImagePlatform.host
      self.init(
        os: isSystem ? parts[0] : "linux", architecture: isSystem ? host.architecture : parts[0])
    } else {
      self.init(os: parts[0], architecture: parts[1], variant: parts.count == 3 ? parts[2] : "")
    }
    switch architecture {
    case "x86_64", "x86-64": architecture = "amd64"
    case "aarch64": architecture = "arm64"
    case "i386", "i686": architecture = "386"
    case "armhf": (architecture, variant) = ("arm", "v7")
    case "armel": (architecture, variant) = ("arm", "v6")
    default: break
    }
  }

  /// What the parts of a platform are made of.
  public static func isWordByte(_ byte: UInt8) -> Bool {
    ReferenceGrammar.isLowerOrDigit(byte) || byte == UInt8(ascii: "_") || byte == UInt8(ascii: ".")
  }

  /// "linux/arm64/v8".
  public var description: String {
    "\(os)/\(architecture)" + (variant.isEmpty ? "" : "/\(variant)")
  }

  /// How well an image for `other` does where this platform is wanted: nil for not at all, the higher
  /// the better.
  func fit(_ other: ImagePlatform) -> Int? {
    guard os == other.os, architecture == other.architecture else { return nil }
    func full(_ platform: ImagePlatform) -> String {
      if !platform.variant.isEmpty { return platform.variant }
      return ["arm64": "v8", "arm": "v7"][platform.architecture] ?? ""
    }
    let (own, offered) = (full(self), full(other))
    if own == offered { return 100 }
    // Versions count upwards: a v7 runs what is made for v6, and an amd64/v3 what is made for v1.
    func number(_ variant: String) -> Int? {
      if variant.isEmpty { return 1 }
      return variant.hasPrefix("v") ? Int(variant.dropFirst()) : nil
    }
    guard let mine = number(own), let its = number(offered), its < mine else { return nil }
    return max(1, 99 - (mine - its))
  }

  /// Whether an image for `other` does where this platform is wanted.
  public func accepts(_ other: ImagePlatform) -> Bool { fit(other) != nil }
}

/// The entries of an OCI index or docker's manifest list.
public struct ImageIndex: Sendable {
  /// One of them.
  public struct Entry: Sendable {
    /// The manifest's media type.
    public let mediaType: String
    /// The manifest's digest.
    public let digest: Digest
    /// The manifest's bytes.
    public let size: Int64
    /// What it is for; nil when the index does not say.
    public let platform: ImagePlatform?
    /// Notes such as "org.opencontainers.image.ref.name".
    public let annotations: [String: String]
  }

  /// In the order of the document.
  public let entries: [Entry]

  private struct Document: Decodable {
    var manifests: [Item]
  }

  private struct Item: Decodable {
    var mediaType: String?
    var digest: String
    var size: Int64?
    var platform: Machine?
    var annotations: [String: String]?
  }

  private struct Machine: Decodable {
    var os: String?
    var architecture: String?
    var variant: String?
  }

  /// Reads an index.
  ///
  /// - Throws: ``Failure/Code/corrupt`` when it is none or has not the digest that is expected.
  public init(
    _ bytes: [UInt8], expecting: Digest? = nil, announced: String? = nil,
    object: String = "image index"
  ) throws(Failure) {
    if let expecting, Digest(of: bytes) != expecting {
      throw Failure(
        .corrupt, "verify", object,
        reason: "its digest is \(Digest(of: bytes)) instead of \(expecting)")
    }
    guard try DocumentKind(of: bytes, announced: announced, object: object) == .index else {
      throw Failure(.corrupt, "read", object, reason: "it is an image manifest, not an index")
    }
    let document = try OCIDocuments.decode(Document.self, bytes, object)
    guard document.manifests.count <= 10_000 else {
      throw Failure(.refused, "read", object, reason: "it has more than 10000 entries")
    }
    var entries: [Entry] = []
    for item in document.manifests {
      entries.append(
        Entry(
          mediaType: item.mediaType ?? "", digest: try Digest(item.digest), size: item.size ?? 0,
          platform: item.platform.map {
            ImagePlatform(
              os: $0.os ?? "", architecture: $0.architecture ?? "", variant: $0.variant ?? "")
          }, annotations: item.annotations ?? [:]))
    }
    self.entries = entries
  }

  /// The entry that suits a platform best; of equals the first. An entry without a platform does when
  /// none with one does, as index.json of a layout has them.
  public func select(_ platform: ImagePlatform) -> Entry? {
    var best: (entry: Entry, fit: Int)?
    for entry in entries where !entry.isAttestation {
      let fit = entry.platform.map { platform.fit($0) } ?? 0
      if let fit, fit > best?.fit ?? -1 { best = (entry, fit) }
    }
    return best?.entry
  }

  /// "linux/amd64, linux/arm64/v8": what there is, for messages.
  public var platforms: String {
    entries.filter { !$0.isAttestation }.compactMap { $0.platform?.description }
      .joined(separator: ", ")
  }
}

extension ImageIndex.Entry {
  /// Buildkit's provenance and signatures beside the images, for no machine.
  var isAttestation: Bool {
    platform?.architecture == "unknown"
      || annotations["vnd.docker.reference.type"] == "attestation-manifest"
  }
}
