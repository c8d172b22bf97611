import Image
import Linux

/// `minidock system df`: what takes up space, and how much of it nobody needs.
public struct DiskUsage: Sendable {
  /// An image with what it shares.
  public struct ImageUsage: Sendable {
    /// The image.
    public let image: ImageRecord
    /// Bytes of layers that other images have as well.
    public let shared: Int64
    /// Bytes of its own layers.
    public let unique: Int64
    /// How many containers are made of it.
    public let containers: Int
  }

  /// A container with what it has written.
  public struct ContainerUsage: Sendable {
    /// The container.
    public let container: ListedContainer
    /// Bytes of its writable layer.
    public let size: Int64
  }

  /// A volume.
  public struct VolumeUsage: Sendable {
    /// The volume.
    public let volume: VolumeRecord
    /// Bytes of its files.
    public let size: Int64
    /// How many containers have it.
    public let links: Int
  }

  /// One line of the summary.
  public struct Total: Sendable, Equatable {
    /// How many there are.
    public var count = 0
    /// How many are in use.
    public var active = 0
    /// Bytes of all.
    public var size: Int64 = 0
    /// Bytes of those not in use.
    public var reclaimable: Int64 = 0
  }

  /// The newest first.
  public let images: [ImageUsage]
  /// The newest first.
  public let containers: [ContainerUsage]
  /// By name.
  public let volumes: [VolumeUsage]
  /// A layer counts once, however many images have it.
  public let imageTotal: Total

  /// Looks through an installation: every file of every container and volume is counted, one with
  /// several names once.
  public init(_ installation: Installation) throws(Failure) {
    let listed = try ContainerList(installation).list(all: true, last: 0, filters: [])
    let store = ContainerStore(installation)
    containers = listed.map {
      ContainerUsage(
        container: $0, size: TreeSize.bytes(store.directory($0.record.id) + "/upper"))
    }
    let volumeStore = VolumeStore(installation)
    let users = try volumeStore.users()
    volumes = try volumeStore.list().map {
      VolumeUsage(
        volume: $0, size: TreeSize.bytes(volumeStore.data($0.name)),
        links: users[$0.name]?.count ?? 0)
    }
    let records = try installation.imageStore().list()
    var uses: [String: Int] = [:]
    for container in listed { uses[container.record.imageID, default: 0] += 1 }
    var owners: [String: Int] = [:]
    for image in records {
      for layer in Set(image.layers.map(\.chainID.description)) { owners[layer, default: 0] += 1 }
    }
    images = records.map { image in
      let shared = image.layers.filter { (owners[$0.chainID.description] ?? 0) > 1 }
      let bytes = shared.reduce(0) { $0 + $1.size }
      return ImageUsage(
        image: image, shared: bytes, unique: image.size - bytes,
        containers: uses[image.id.description] ?? 0)
    }
    var total = Total()
    total.count = images.count
    var all: [String: Int64] = [:]
    var needed = Set<String>()
    for usage in images {
      if usage.containers > 0 { total.active += 1 }
      for layer in usage.image.layers {
        all[layer.chainID.description] = layer.size
        if usage.containers > 0 { needed.insert(layer.chainID.description) }
      }
    }
    for (layer, size) in all {
      total.size += size
      if !needed.contains(layer) { total.reclaimable += size }
    }
    imageTotal = total
  }

  /// Those that run are in use.
  public var containerTotal: Total {
    var total = Total()
    for usage in containers {
      let isActive = usage.container.state.status.isInUse
      total.add(usage.size, isActive: isActive)
    }
    return total
  }

  /// Those that a container has are in use.
  public var volumeTotal: Total {
    var total = Total()
    for usage in volumes { total.add(usage.size, isActive: usage.links > 0) }
    return total
  }
}

extension DiskUsage.Total {
  mutating func add(_ bytes: Int64, isActive: Bool) {
    count += 1
    size += bytes
    if isActive { active += 1 } else { reclaimable += bytes }
  }

  /// "11.63MB (70%)", or "0B" where there is nothing at all.
  public var reclaimableText: String {
    let text = ByteCount.decimal(reclaimable)
    return size > 0 ? "\(text) (\(reclaimable * 100 / size)%)" : text
  }
}
