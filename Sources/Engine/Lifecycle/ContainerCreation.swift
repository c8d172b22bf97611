import Image
import Linux
import Net
import Runtime

/// Makes a container's record of what the user asks for and the image says; `minidock create`.
public struct ContainerCreation {
  let installation: Installation
  let images: ImageResolution
  private(set) var options: RunOptions

  /// A container with these options.
  public init(installation: Installation, images: ImageResolution, options: RunOptions) {
    self.installation = installation
    self.images = images
    self.options = options
  }

  /// Creates the container without starting it.
  ///
  /// - Returns: its id.
  public mutating func create() throws(Failure) -> String {
    let image = try findImage()
    options.completeLog(isForeground: false)
    var record = try makeRecord(image)
    let store = ContainerStore(installation)
    record.creator = ProcessIdentity(of: ThisProcess.id)
    record.boot = Processes.bootIdentity()
    try store.announce(record.id, by: record.creator)
    defer { store.withdraw(record.id) }
    // The creator is no starter: with it gone from the record, nobody waits for a start.
    record.creator = nil
    // Later commands find its processes by the record alone; without a path they would see the host's.
    record.cgroupPath = installation.cgroupParent(options.cgroupParent) + "/" + record.id
    let volumes = ContainerVolumes(installation, record, options)
    do throws(Failure) {
      try volumes.make { () throws(Failure) in
        try store.create(&record, name: options.name, options: options)
      }
      try volumes.fill(from: image)
      try ContainerIDFile.write(record, options)
    } catch {
      if Files.exists(store.directory(record.id)) {
        ContainerCleanup(installation).discard(record, volumes: true)
        ContainerCleanup.emptyTrash(installation)
      }
      throw error.addingDiskRemedy()
    }
    EventLog(installation).append([Event(container: record, "create")])
    return record.id
  }

  mutating func completeLog(isForeground: Bool) {
    options.completeLog(isForeground: isForeground)
  }

  func findImage() throws(Failure) -> ImageRecord {
    try images.find(options.image, pull: options.pull, platform: options.platform)
  }

  mutating func makeRecord(_ image: ImageRecord) throws(Failure) -> ContainerRecord {
    var record = ContainerRecord()
    let config = image.config
    try resolveNetworks()
    record.id = randomHex(bytes: 32)
    record.created = .now
    record.image = options.image
    record.imageID = image.id.description
    let entrypoint = options.entrypoint ?? config.entrypoint
    // The image's command is meant for the image's entrypoint: another entrypoint drops it.
    let command =
      options.command.isEmpty && options.entrypoint == nil ? config.cmd : options.command
    record.command = entrypoint + command
    record.entrypointCount = entrypoint.count
    guard !record.command.isEmpty else {
      throw Failure(
        .invalid, "run", options.image, reason: "the image names no command",
        remedy: "give one: minidock run \(options.image) COMMAND")
    }
    record.hostname = try hostname(record.shortID)
    record.environment = Environment.merge([
      [Environment.defaultPath, "HOSTNAME=" + record.hostname],
      options.terminal ? ["TERM=xterm"] : [], config.env, options.environment,
    ])
    // What an image says is taken from the container's root, whatever it looks like (row 19).
    let directory = options.workingDirectory ?? MountRequest.rooted(config.workingDir)
    guard directory.hasPrefix("/") else {
      throw Failure(
        .invalid, "run", "--workdir=\(directory)", reason: "it is not an absolute path")
    }
    record.workingDirectory = directory
    record.user = options.user ?? config.user
    if !config.labels.isEmpty || !options.labels.isEmpty {
      let labels = config.labels.merging(options.labels) { _, new in new }
      record.labels = labels.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }
    if !config.exposedPorts.isEmpty || !options.publish.isEmpty || !options.expose.isEmpty {
      // Images write "80" for "80/tcp"; what is no port there is nobody's fault here.
      let named = config.exposedPorts.flatMap { (try? PortRequest.parse(expose: $0)) ?? [] }
      record.exposed = Array(Set(named + options.expose + options.publish.map(\.key))).sorted()
    }
    record.stopSignal = try stopSignal(options.stopSignal ?? config.stopSignal ?? "SIGTERM")
    options.health = options.health.merged(over: HealthOptions(config.healthcheck))
    record.hasHealthTest = options.health.isActive
    options.mounts = try MountResolution(
      store: ContainerStore(installation), options: options, config: config
    ).mounts()
    copyOptions(into: &record)
    return record
  }

  // From what the user wrote to names that stay: of networks, and the id of a container.
  private mutating func resolveNetworks() throws(Failure) {
    switch options.network {
    case .bridge, .none, .host: break
    case .container(let text):
      guard options.hostname == nil else {
        throw Failure(
          .invalid, "run", "--hostname=\(options.hostname ?? "")",
          reason: "a container that shares another's network has that one's host name")
      }
      options.network = .container(try ContainerStore(installation).find(text).id)
    case .user: break
    }
    let host = installation.networkHost()
    for index in options.attachments.indices where options.attachments[index].network != "bridge" {
      let network = try host.find(network: options.attachments[index].network)
      options.attachments[index].network = network.name
      if index == 0 { options.network = try NetworkMode(network.name) }
    }
    if options.attachments.contains(where: { !((try? NetworkMode($0.network))?.isManaged ?? false) }
    ) {
      throw Failure(
        .invalid, "run", "--network=\(options.network.name)",
        reason: "it cannot be written by its id")
    }
  }

  private func hostname(_ shortID: String) throws(Failure) -> String {
    if let name = options.hostname {
      guard !name.isEmpty, name.utf8.count <= 64,
        name.utf8.allSatisfy({ $0 > 32 && $0 < 127 && $0 != UInt8(ascii: "/") })
      else {
        throw Failure(
          .invalid, "run", "--hostname=\(name)",
          reason: "it is not a host name of 1 to 64 characters")
      }
      return name
    }
    switch options.network {
    case .host: return Files.text("/proc/sys/kernel/hostname") ?? shortID
    case .container(let id): return try ContainerStore(installation).find(id).hostname
    default: return shortID
    }
  }

  private func stopSignal(_ text: String) throws(Failure) -> String {
    guard let number = Signals.number(text) else {
      throw Failure(.invalid, "run", "--stop-signal=\(text)", reason: "no such signal")
    }
    return number <= 31 ? Signals.name(number) : text
  }

  private func copyOptions(into record: inout ContainerRecord) {
    record.autoRemove = options.autoRemove
    record.interactive = options.interactive
    record.terminal = options.terminal
    record.network = options.network
    record.attachments = options.attachments
    record.privileged = options.privileged
    record.readOnly = options.readOnly
    record.usesInit = options.usesInit
    record.take(options.resources)
    record.shmSize = options.shmSize
    record.capabilitiesAdded = options.capabilitiesAdded
    record.capabilitiesDropped = options.capabilitiesDropped
    record.binds = options.mounts.filter { $0.kind == .bind }.map {
      "\($0.source):\($0.target)" + ($0.readOnly ? ":ro" : "")
    }
    record.volumes = options.mounts.filter { $0.kind == .volume }.map { MountedVolume($0).text }
    record.tmpfs = options.mounts.filter { $0.kind == .tmpfs }.map(\.target)
  }
}

/// `--cidfile`.
enum ContainerIDFile {
  /// Writes the id of a container that exists now.
  static func write(_ record: ContainerRecord, _ options: RunOptions) throws(Failure) {
    guard let path = options.containerIDFile else { return }
    do throws(Failure) {
      let file = try Descriptor.open(path, .createNew(mode: 0o644))
      try file.write(Array(record.id.utf8), object: path)
    } catch  where error.errno == ErrorNumber.exists {
      throw Failure(
        .exists, "write", "--cidfile \(path)", reason: "the file exists",
        remedy: "make sure that no other container uses it, or delete it")
    }
  }
}

extension RunOptions {
  /// Decides about the log where the user has not: what a foreground run with --rm prints is its
  /// caller's, and nobody could read a log after its end.
  mutating func completeLog(isForeground: Bool) {
    if !log.isExplicit && isForeground && autoRemove && !terminal { log.isOn = false }
  }
}

extension ContainerRecord {
  /// Takes the limits over for inspect.
  mutating func take(_ resources: Resources) {
    memory = resources.memory?.limit ?? 0
    memorySwap = resources.memory?.swap ?? 0
    memoryReservation = resources.memory?.reservation ?? 0
    nanoCPUs = 0
    if let quota = resources.cpu?.quota, let period = resources.cpu?.period, period > 0 {
      nanoCPUs = quota * 1_000_000_000 / Int64(period)
    }
    cpuShares = resources.cpu?.shares ?? 0
    cpusetCPUs = resources.cpu?.cpus ?? ""
    pidsLimit = resources.pids?.limit ?? 0
  }
}
