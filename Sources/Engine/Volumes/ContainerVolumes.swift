import Image
import Linux

/// The volumes of one container, from its creation to its start.
///
/// In this order, which a kill cannot spoil: the lock, the container's record (which names them), the
/// volumes; without the lock then the image's content into those that are empty.
struct ContainerVolumes {
  private let store: VolumeStore
  private let id: String
  private let mounts: [MountRequest]
  /// Where an image's layers can be put together.
  private let mountPoint: String
  /// That they were filled once. It stands beside the record.
  private let mark: String

  init(_ installation: Installation, _ record: ContainerRecord, _ options: RunOptions) {
    store = VolumeStore(installation)
    id = record.id
    mounts = options.mounts.filter { $0.kind == .volume }
    let directory = ContainerStore(installation).directory(record.id)
    mountPoint = directory + "/rootfs"
    mark = directory + "/volumes-filled"
  }

  /// Makes the container's record by `body`, and the volumes that do not exist; none is removed meanwhile.
  func make(after body: () throws(Failure) -> Void) throws(Failure) {
    if mounts.isEmpty { return try body() }
    let lock = try store.lock(shared: true)
    defer { _ = lock }
    try body()
    try make()
  }

  /// Makes those that do not exist.
  func make() throws(Failure) {
    for mount in mounts {
      try store.ensure(VolumeRecord(name: mount.source, isAnonymous: mount.isAnonymous))
    }
  }

  /// Copies what the image has at their places into those that are empty, once in the container's life.
  func fill(from image: ImageRecord) throws(Failure) {
    guard !mounts.isEmpty, !Files.exists(mark) else { return }
    try VolumeCopyUp(store: store, image: image, mountPoint: mountPoint)
      .fill(mounts.filter { !$0.noCopy })
    _ = try Descriptor.open(mark, .create(mode: 0o600))
  }

  /// What docker tells when they are mounted.
  var mountEvents: [Event] {
    mounts.map { mount in
      Event(
        type: "volume", "mount", id: mount.source,
        [
          ("container", id), ("destination", mount.target), ("driver", VolumeRecord.driver),
          ("propagation", ""), ("read/write", String(!mount.readOnly)),
        ])
    }
  }
}
