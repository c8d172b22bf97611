import Image
import Linux
import RegistryExchange

/// The layers of one image on their way from a registry into the store, some of them at a time.
///
/// ```
/// registry ──> minidock-registry ──pipe──> storing child ──> blob ──> unpacking child ──> tree
///                                 one of each for every layer in flight
/// ```
/// This process only waits for news of both sides. Each side ends when the other does: a layer that is
/// refused closes its pipe, and a download that fails ends it early; whichever is the cause is reported.
struct LayerTransfer {
  let repository: RemoteRepository
  let store: ImageStore
  let progress: (TransferUpdate) -> Void

  /// Layers in flight: enough to hide each other's round trips; each takes two processes.
  private static let width = 3

  private struct Running {
    var index: Int
    var ingest: LayerIngest
    /// The number of its request; nil when the blob was here already.
    var number: UInt32?
    /// Begun with what an earlier pull had left.
    var isResumed = false
    var isSecondAttempt = false
    var phase = TransferUpdate.Phase.downloading
  }

  /// Whether every part of an image is in the store.
  static func isWhole(_ image: ImageRecord, in store: ImageStore) -> Bool {
    image.layers.allSatisfy { Files.exists($0.path) && store.hasBlob($0.blob) }
  }

  /// Brings what is missing and makes the image.
  func fetch(
    _ documents: ImageDocuments, as names: [Reference], _ connection: inout RegistryConnection
  ) throws(Failure) -> ImageRecord {
    let assembly = try ImageAssembly(documents, in: store, isKept: true)
    do throws(Failure) {
      try bring(assembly, &connection)
    } catch {
      // A registry that was not up to it may be so next time; a lie, a layer that is refused here or a full
      // disk leaves nothing.
      if error.code == .system && connection.hasBrokenDown { assembly.suspend() }
      throw error
    }
    return try assembly.commit(names: names)
  }

  /// Brings all layers. When it fails none is in hand any more.
  private func bring(
    _ assembly: ImageAssembly, _ connection: inout RegistryConnection
  ) throws(Failure) {
    for index in assembly.layers.indices { show(assembly, index, .waiting, 0) }
    var queue = Array(assembly.layers.indices)
    var running: [Running] = []
    while !queue.isEmpty || !running.isEmpty {
      try fill(&running, from: &queue, assembly, &connection)
      if running.isEmpty { continue }
      try waitForNews(running, isBusy: !queue.isEmpty, connection)
      try advance(&running, assembly, &connection)
      try takeAnswers(&running, &connection)
    }
  }

  private func show(
    _ assembly: ImageAssembly, _ index: Int, _ phase: TransferUpdate.Phase, _ bytes: Int64
  ) {
    let layer = assembly.layers[index]
    progress(
      TransferUpdate(
        index: index, digest: layer.blob.description, phase: phase, bytes: bytes,
        total: layer.size))
  }

  // MARK: - Starting

  /// Starts layers while there is room. Those that another process works at are left for later; only when
  /// nothing of our own is in flight is one waited for.
  private func fill(
    _ running: inout [Running], from queue: inout [Int], _ assembly: ImageAssembly,
    _ connection: inout RegistryConnection
  ) throws(Failure) {
    var left: [Int] = []
    for (place, index) in queue.enumerated() {
      guard running.count < LayerTransfer.width else {
        left += queue[place...]
        break
      }
      let isLast = running.isEmpty && place == queue.count - 1
      // What is below may be in flight itself: the same blob twice in one image is then waited for.
      if running.contains(where: { assembly.layers[$0.index].blob == assembly.layers[index].blob })
      {
        left.append(index)
        continue
      }
      switch try assembly.claim(index, waiting: isLast) {
      case .present: show(assembly, index, .existed, assembly.layers[index].size)
      case .busy: left.append(index)
      case .claimed(let ingest):
        running.append(try start(ingest, index, assembly, &connection))
      }
    }
    queue = left
  }

  private func start(
    _ ingest: LayerIngest, _ index: Int, _ assembly: ImageAssembly,
    _ connection: inout RegistryConnection, skippingMirrors: Bool = false
  ) throws(Failure) -> Running {
    if try ingest.startFromStore() {
      return Running(index: index, ingest: ingest, number: nil, phase: .unpacking)
    }
    show(assembly, index, .downloading, 0)
    let layer = assembly.layers[index]
    let pipe = try Descriptor.pipe()
    let reader = pipe.read
    let writer = pipe.write
    PendingOutput.widen(writer.raw, to: 1 << 20)
    let request = RegistryRequest.blob(
      repository, digest: layer.blob.description, size: layer.size,
      skipsMirrors: skippingMirrors)
    let number: UInt32
    var isResumed = false
    if let beginning = try assembly.beginning(of: index) {
      number = try connection.send(request, writer.raw, beginning: beginning.raw)
      isResumed = true
    } else {
      number = try connection.send(request, writer.raw)
    }
    // From here on only the helper can write: its end is the end.
    _ = consume writer
    try ingest.start(from: reader.raw)
    return Running(
      index: index, ingest: ingest, number: number, isResumed: isResumed)
  }

  // MARK: - News

  private func waitForNews(
    _ running: [Running], isBusy: Bool, _ connection: borrowing RegistryConnection
  ) throws(Failure) {
    if connection.hasAnswer { return }
    var watches = running.map { Watch($0.ingest.descriptor) } + [Watch(connection.descriptor)]
    // Whether another process has finished a layer is looked at now and then; and who watches the
    // progress sees that nothing comes, and its window drawn anew.
    let isWaiting = isBusy && running.count < LayerTransfer.width
    try Watch.wait(&watches, milliseconds: isWaiting ? 200 : 500)
  }

  private func advance(
    _ running: inout [Running], _ assembly: ImageAssembly,
    _ connection: inout RegistryConnection
  ) throws(Failure) {
    for place in running.indices.reversed() {
      let (index, ingest) = (running[place].index, running[place].ingest)
      let isDone: Bool
      do throws(Failure) { isDone = try ingest.advance(wait: false) } catch {
        let cause = cause(of: error, running[place].number, &connection)
        guard cause.code != .system, connection.hasMirrors || running[place].isResumed,
          !running[place].isSecondAttempt
        else { throw cause }
        // A mirror may be stale, and what an earlier pull left damaged: the registry has the last word.
        running.remove(at: place)
        _ = consume ingest
        try again(index, assembly, &running, &connection)
        continue
      }
      if isDone {
        show(assembly, index, .pulled, assembly.layers[index].size)
        running.remove(at: place)
      } else {
        if ingest.isReceived { running[place].phase = .verifying }
        show(assembly, index, running[place].phase, ingest.stored)
      }
    }
  }

  private func again(
    _ index: Int, _ assembly: ImageAssembly, _ running: inout [Running],
    _ connection: inout RegistryConnection
  ) throws(Failure) {
    guard case .claimed(let ingest) = try assembly.claim(index, waiting: running.isEmpty) else {
      throw Failure(
        .inUse, "pull", "layer", reason: "another process works at it", remedy: "pull again")
    }
    var second = try start(ingest, index, assembly, &connection, skippingMirrors: true)
    second.isSecondAttempt = true
    running.append(second)
  }

  /// Why a layer failed: when its pipe ended early, the helper says why, right after it has closed it.
  private func cause(
    of failure: Failure, _ number: UInt32?, _ connection: inout RegistryConnection
  ) -> Failure {
    guard let number else { return failure }
    var watch = [Watch(connection.descriptor)]
    for _ in 0..<8 {
      guard connection.hasAnswer || (try? Watch.wait(&watch, milliseconds: 500)) == true,
        let (answered, answer) = try? connection.next()
      else { return failure }
      guard answered == number else { continue }
      if case .failed(let told) = answer, told.errno != ErrorNumber.brokenPipe { return told }
      return failure
    }
    return failure
  }

  /// A download that has failed for good ends the pull; its layer learns it by the end of its pipe.
  private func takeAnswers(
    _ running: inout [Running], _ connection: inout RegistryConnection
  ) throws(Failure) {
    while connection.hasAnswer || Watch.hasInput(connection.descriptor) {
      let (number, answer) = try connection.next()
      guard running.contains(where: { $0.number == number }) else { continue }
      if case .failed(let failure) = answer, failure.errno != ErrorNumber.brokenPipe {
        throw failure
      }
    }
  }
}
