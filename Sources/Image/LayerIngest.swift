import Linux

/// One layer on its way into the store, in a child process of its own.
///
/// ```
/// source ──> storing child ──> blob ──> unpacking child (confined) ──> tree
///                 └── bytes so far, then the result ──> this process
/// ```
/// Held by a lock of the layer, so that no other process does the same work.
public final class LayerIngest {
  private let store: ImageStore
  private let layer: ImageDocuments.Layer
  private let below: [Digest]
  private let directory: String
  private let lock: FileLock
  private let lockPath: String
  private var child: Child?
  private var channel: MessageSocket?

  /// Bytes of the blob that have been stored so far.
  public private(set) var stored: Int64 = 0
  /// Whether all bytes have come and only unpacking and verifying are left.
  public private(set) var isReceived = false
  /// Whether the layer is in the store.
  public private(set) var isDone = false

  init(
    store: ImageStore, layer: ImageDocuments.Layer, below: [Digest], directory: String,
    lock: consuming FileLock, lockPath: String
  ) {
    self.store = store
    self.layer = layer
    self.below = below
    self.directory = directory
    self.lock = lock
    self.lockPath = lockPath
  }

  deinit {
    child?.kill()
    // Before the lock goes: whoever waits for it then sees that it is not the current one.
    try? Files.remove(lockPath)
  }

  /// Has input when ``advance(wait:)`` has something to do; -1 before the start.
  public var descriptor: Int32 { channel?.descriptor.raw ?? -1 }

  /// Starts storing and unpacking.
  ///
  /// - Parameters:
  ///   - source: a file or pipe, read from its current offset. The caller may close it afterwards.
  ///   - length: how many bytes of it are the blob; nil for all up to its end. Anything but the size in
  ///     the manifest is an error.
  public func start(from source: Int32, length: Int64? = nil) throws(Failure) {
    let ends = try MessageSocket.pair()
    let near = ends.near
    let far = ends.far
    let number = far.descriptor.raw
    var work = LayerImport(store: store, directory: directory, below: below)
    work.operation = "unpack layer"
    work.length = length
    work.expected = layer
    child = try Processes.forkHelper { parent in
      LayerIngest.run(work, source: source, channel: number, parent: parent)
    }
    channel = consume near
    _ = consume far
  }

  /// Starts with the blob that is in the store already, when it is: only the unpacked tree is missing.
  ///
  /// - Returns: false when the blob is missing too.
  public func startFromStore() throws(Failure) -> Bool {
    guard Files.exists(store.blobPath(layer.blob)) else { return false }
    let blob = try Descriptor.open(store.blobPath(layer.blob), .read)
    try start(from: blob.raw, length: layer.size)
    return true
  }

  /// Takes in what the child has to say, and puts the layer in place when it is whole and verified.
  ///
  /// - Parameter wait: waits for news; otherwise returns when there are none.
  /// - Returns: whether the layer is in the store.
  /// - Throws: what is wrong with the layer: ``Failure/Code/corrupt`` for damage and wrong digests,
  ///   ``Failure/Code/refused`` beyond a limit. Nothing of it is left then.
  public func advance(wait: Bool) throws(Failure) -> Bool {
    if isDone { return true }
    while wait || FileBytes.isReadable(descriptor) {
      var message = try channel?.receive()
      // See LayerImport.outcome: a reset comes before what was sent earlier.
      if message == nil { message = try channel?.receive() }
      guard let message else { throw end() }
      for descriptor in message.descriptors { _ = Descriptor(owning: descriptor) }
      var reader = WireReader(message.bytes)
      switch try reader.get(UInt8.self) {
      case Message.progress:
        stored = try reader.get()
        isReceived = stored == layer.size
        if wait { return false }
      case Message.failure:
        throw try Failure(&reader)
      default:
        _ = end()
        try place()
        return true
      }
    }
    return false
  }

  private func place() throws(Failure) {
    let work = try Descriptor.open(directory, .directory)
    // Others take what is in place for whole, also after a loss of power.
    try FileBytes.syncFileSystem(of: work.raw, object: store.root)
    let storeLock = try store.acquireLock()
    try store.place(directory + "/blob", at: store.blobPath(layer.blob))
    try store.place(directory + "/layer", at: store.layerPath(layer.chainID))
    _ = consume storeLock
    try Files.removeTree(directory)
    isDone = true
  }

  /// Reaps the child; the failure when it ended without a word.
  private func end() -> Failure {
    var how = "it ended without a result"
    if let pid = child?.pid, case .signaled(let signal)? = try? Processes.wait(pid: pid) {
      how = "killed by \(Signals.name(signal))"
    }
    child = nil
    return Failure(
      .system, "unpack layer", layer.blob.short, reason: "the storing process failed: \(how)")
  }

  private enum Message {
    static let progress: UInt8 = 0
    static let failure: UInt8 = 1
    static let done: UInt8 = 2
  }

  /// The body of the storing child.
  private static func run(
    _ work: LayerImport, source: Int32, channel: Int32, parent: Int32
  ) -> Int32 {
    var writer = WireWriter()
    do throws(Failure) {
      try Confinement.dieWithParent(parent)
      ThisProcess.handle(Signal.pipe, ignoring: true)
      try Confinement.keepOnly([source, channel])
      _ = try work.run(source) { bytes in
        var writer = WireWriter()
        writer.put(Message.progress)
        writer.put(bytes)
        try? send(channel, writer.bytes)
      }
      writer.put(Message.done)
    } catch {
      writer.put(Message.failure)
      writer.put(error)
    }
    do throws(Failure) {
      try send(channel, writer.bytes)
      return 0
    } catch {
      return 1
    }
  }

  private static func send(_ channel: Int32, _ bytes: [UInt8]) throws(Failure) {
    try bytes.withBytes { (raw) throws(Failure) in try FileBytes.send(channel, raw) }
  }
}
