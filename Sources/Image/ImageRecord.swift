import Linux

/// An unpacked layer of an image.
public struct Layer: Sendable, Equatable {
  /// Digest of the uncompressed tar.
  public let diffID: Digest
  /// Identity of this layer on top of those below it; the name of its directory.
  public let chainID: Digest
  /// Digest of the blob as it is stored.
  public let blob: Digest
  /// Bytes of file content in the unpacked tree.
  public let size: Int64
  /// The unpacked tree, for overlayfs's lowerdir.
  public let path: String
}

/// Everything about a stored image that `run`, `images` and `inspect` need.
public struct ImageRecord: Sendable, Equatable {
  /// Digest of the configuration document: the image's id.
  public let id: Digest
  /// Digest of the manifest.
  public let manifest: Digest
  /// Names that lead to it now, sorted.
  public var names: [Reference]
  /// When it was made.
  public let created: Timestamp
  /// Bytes of the unpacked layers.
  public let size: Int64
  /// As in OCI: "amd64", "arm64".
  public let architecture: String
  /// As in OCI: "linux".
  public let os: String
  /// As in OCI: "v8" for arm64; empty where there is none.
  public let variant: String
  /// What the importer said about it.
  public let comment: String
  /// How it is run.
  public let config: ImageConfig
  /// The layers, lowest first.
  public let layers: [Layer]

  /// What it is for.
  public var platform: ImagePlatform {
    ImagePlatform(os: os, architecture: architecture, variant: variant)
  }
}

/// A line of what `rmi` did.
public enum RemovedItem: Sendable, Equatable, CustomStringConvertible {
  /// A name no longer leads to the image.
  case untagged(Reference)
  /// An image or layer is gone.
  case deleted(Digest)

  /// Docker's line: "Untagged: busybox:latest", "Deleted: sha256:…".
  public var description: String {
    switch self {
    case .untagged(let name): "Untagged: \(name.familiar)"
    case .deleted(let digest): "Deleted: \(digest)"
    }
  }
}
