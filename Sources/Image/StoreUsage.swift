import Linux

/// What the images take up on disk: bytes of files, one with several names counted once, as du(1) with
/// `--apparent-size` counts them without directories and the names' own links.
///
/// A layer is there twice, as it came and unpacked, and both count.
public struct StoreUsage: Sendable {
  /// Layers with all that is in their directories, by chain id.
  public private(set) var layers: [Digest: Int64] = [:]
  /// Configurations, manifests and layers as they came.
  public private(set) var blobs: [Digest: Int64] = [:]
  /// Summaries, by the image's id.
  public private(set) var summaries: [Digest: Int64] = [:]
  /// What pulls and loads have in hand, and what ended pulls have left for the next attempt.
  public private(set) var unfinished: Int64 = 0

  /// Looks through a store: every file of every layer is looked at.
  ///
  /// - Parameter images: looks only at what these need; nil for everything.
  public init(_ store: ImageStore, of images: [ImageRecord]? = nil) throws(Failure) {
    func all(_ folder: String) throws(Failure) -> Set<Digest> {
      Set(try Files.list(folder).compactMap { Digest(hex: $0) })
    }
    let chains: Set<Digest>
    let digests: Set<Digest>
    let ids: Set<Digest>
    if let images {
      chains = Set(images.flatMap { $0.layers.map(\.chainID) })
      digests = Set(images.flatMap(\.blobs))
      ids = Set(images.map(\.id))
    } else {
      chains = try all(store.layersPath)
      digests = try all(store.root + "/blobs/sha256")
      ids = try all(store.root + "/images")
      unfinished = TreeSize.bytes(store.root + "/ingest")
    }
    for chain in chains { layers[chain] = TreeSize.bytes(store.layerPath(chain)) }
    // What is removed meanwhile takes up nothing.
    for blob in digests { blobs[blob] = (try? Files.size(store.blobPath(blob))) ?? 0 }
    for id in ids { summaries[id] = (try? Files.size(store.recordPath(id))) ?? 0 }
  }

  /// Bytes of everything.
  public var total: Int64 {
    [layers, blobs, summaries].reduce(unfinished) { $0 + $1.values.reduce(0, +) }
  }

  /// Bytes of what `images` need, each thing once.
  public func bytes(of images: [ImageRecord]) -> Int64 {
    var sum = Set(images.map(\.id)).reduce(0) { $0 + (summaries[$1] ?? 0) }
    for chain in Set(images.flatMap { $0.layers.map(\.chainID) }) { sum += layers[chain] ?? 0 }
    for blob in Set(images.flatMap(\.blobs)) { sum += blobs[blob] ?? 0 }
    return sum
  }

  /// What of each image's bytes others need as well, and what it alone does.
  public func shares(of images: [ImageRecord]) -> [(shared: Int64, unique: Int64)] {
    var chainUsers: [Digest: Int] = [:]
    var blobUsers: [Digest: Int] = [:]
    for image in images {
      for chain in Set(image.layers.map(\.chainID)) { chainUsers[chain, default: 0] += 1 }
      for blob in Set(image.blobs) { blobUsers[blob, default: 0] += 1 }
    }
    return images.map { image in
      var share: (shared: Int64, unique: Int64) = (0, summaries[image.id] ?? 0)
      for chain in Set(image.layers.map(\.chainID)) {
        let size = layers[chain] ?? 0
        if chainUsers[chain] ?? 0 > 1 { share.shared += size } else { share.unique += size }
      }
      for blob in Set(image.blobs) {
        let size = blobs[blob] ?? 0
        if blobUsers[blob] ?? 0 > 1 { share.shared += size } else { share.unique += size }
      }
      return share
    }
  }

  /// Bytes of what has gone from the store since.
  public func freed(from store: ImageStore) -> Int64 {
    func gone(_ sizes: [Digest: Int64], _ path: (Digest) -> String) -> Int64 {
      sizes.reduce(0) { Files.exists(path($1.key)) ? $0 : $0 + $1.value }
    }
    let rest = unfinished > 0 ? TreeSize.bytes(store.root + "/ingest") : 0
    return gone(layers, store.layerPath) + gone(blobs, store.blobPath)
      + gone(summaries, store.recordPath) + max(0, unfinished - rest)
  }
}

extension ImageRecord {
  /// The blobs that it consists of.
  var blobs: [Digest] { [id, manifest] + layers.map(\.blob) }
}
