import Linux

/// What kind of document some bytes are, before anything of it is used.
///
/// A document that could be read as two kinds is refused (row 24, CVE-2021-41190): a registry or archive
/// must not be able to have one program see an image where another sees an index.
public enum DocumentKind: Sendable, Equatable {
  /// An image manifest: a configuration and layers.
  case manifest
  /// An OCI index or docker's manifest list: manifests by platform.
  case index

  static let manifestTypes = [
    OCIDocuments.manifestType, "application/vnd.docker.distribution.manifest.v2+json",
  ]
  static let indexTypes = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
  ]

  private struct Shape: Decodable {
    var schemaVersion: Int?
    var mediaType: String?
    var config: OCIDocuments.Present?
    var layers: OCIDocuments.Present?
    var manifests: OCIDocuments.Present?
    var fsLayers: OCIDocuments.Present?
  }

  /// Looks at a document.
  ///
  /// - Parameter announced: the media type that its descriptor or the server's header gives, nil for none;
  ///   a type that is none of a document's (application/json) says nothing.
  /// - Throws: ``Failure/Code/refused`` beyond 4 MiB, ``Failure/Code/corrupt`` for what is neither kind or
  ///   both, or another one than announced, ``Failure/Code/unsupported`` for schema 1.
  public init(
    of bytes: [UInt8], announced: String? = nil, object: String = "manifest"
  ) throws(Failure) {
    try OCIDocuments.checkSize(bytes, object)
    let shape = try OCIDocuments.decode(Shape.self, bytes, object)
    func wrong(_ reason: String) -> Failure {
      Failure(.corrupt, "read", object, reason: reason)
    }
    if shape.fsLayers != nil || shape.schemaVersion == 1 {
      throw Failure(
        .unsupported, "read", object, reason: "it is of schema version 1, which is obsolete",
        remedy: "build or push the image again with a tool of today")
    }
    guard shape.schemaVersion == 2 || shape.schemaVersion == nil else {
      throw wrong("its schema version \(shape.schemaVersion ?? 0) is unknown")
    }
    guard (shape.manifests != nil) != (shape.layers != nil || shape.config != nil) else {
      throw wrong(
        shape.manifests == nil
          ? "it is neither an image manifest nor an index"
          : "it is an image manifest and an index at the same time")
    }
    self = shape.manifests == nil ? .manifest : .index
    for type in [shape.mediaType, announced].compactMap({ $0 }) {
      let other = self == .manifest ? Self.indexTypes : Self.manifestTypes
      guard !other.contains(type) else {
        throw wrong("its media type \(Root.printable(Array(type.utf8.prefix(100)))) contradicts it")
      }
    }
    let own = self == .manifest ? Self.manifestTypes : Self.indexTypes
    if let type = shape.mediaType, !own.contains(type) {
      throw wrong(
        "its media type \(Root.printable(Array(type.utf8.prefix(100)))) is none of an image")
    }
  }
}

extension OCIDocuments {
  /// A member that is there and not null, whatever it is.
  struct Present: Decodable {
    init(from decoder: any Decoder) throws {}
  }

  static func checkSize(_ bytes: [UInt8], _ object: String) throws(Failure) {
    guard bytes.count <= limit else {
      throw Failure(.refused, "read", object, reason: "it is larger than \(limit) bytes")
    }
  }
}
