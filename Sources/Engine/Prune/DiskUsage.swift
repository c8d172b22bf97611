import Image
import Linux

/// `minidock system df`: what takes up space, and how much of it nobody needs.
public struct DiskUsage: Sendable {
  /// An image with what it shares.
  public struct ImageUsage: Sendable {
    /// The image.
    public let image: ImageRecord
    /// Bytes of layers and blobs that other images have as well.
    public let shared: Int64
    /// Bytes of its own ones.
    public let unique: Int64
    /// Bytes of all that it needs.
    public var size: Int64 { shared + unique }
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
  /// A layer counts once, however many images have it, and twice as it is there unpacked and as it came.
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
    let imageStore = try installation.imageStore()
    let records = try imageStore.list()
    let usage = try StoreUsage(imageStore)
    var uses: [String: Int] = [:]
    for container in listed { uses[container.record.imageID, default: 0] += 1 }
    let shares = usage.shares(of: records)
    images = zip(records, shares).map { image, share in
      ImageUsage(
        image: image, shared: share.shared, unique: share.unique,
        containers: uses[image.id.description] ?? 0)
    }
    let needed = images.filter { $0.containers > 0 }.map(\.image)
    imageTotal = Total(
      count: images.count, active: needed.count, size: usage.total,
      reclaimable: usage.total - usage.bytes(of: needed))
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
