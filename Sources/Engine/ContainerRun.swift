import Image
import Linux
import Runtime

/// `minidock run`: from the user's options to the command's exit status.
public struct ContainerRun {
  let installation: Installation
  let images: ImageResolution
  var options: RunOptions

  /// A run with these options.
  public init(installation: Installation, images: ImageResolution, options: RunOptions) {
    self.installation = installation
    self.images = images
    self.options = options
  }

  /// Runs the container in the foreground and returns its exit status.
  ///
  /// This process must have no thread. With a terminal it forks the monitor and stays as its client;
  /// without one it is the monitor itself.
  /// - Parameter report: receives the trace's lines, when asked for, once the container runs.
  public func foreground(report: ([String]) -> Void) throws(Failure) -> Int32 {
    var trace = Trace(options.traced)
    ThisProcess.handle(Signal.pipe, ignoring: true)
    _ = try DetachKeys(options.detachKeys)
    let image = try images.find(options.image, pull: options.pull, platform: options.platform)
    trace.mark("image")
    let record = try makeRecord(image)
    let runner = ContainerRunner(
      installation: installation, options: options, record: record, image: image, trace: trace)
    return options.terminal
      ? try TerminalSession.run(runner, report: report)
      : try attached(runner, report: report)
  }

  private func attached(
    _ runner: consuming ContainerRunner, report: ([String]) -> Void
  ) throws(Failure) -> Int32 {
    let signals = try SignalReader(ForegroundMonitor.proxied)
    var streams = try StandardStreams(interactive: options.interactive)
    let started = try runner.start(stdio: streams.containerEnds)
    streams.closeContainerEnds()
    report(runner.trace.lines)
    let end = ContainerEnd(
      installation: installation, record: started.record, cgroup: started.cgroup)
    var monitor = ForegroundMonitor(
      child: started.child, streams: streams, signals: signals,
      proxiesSignals: options.signalProxy)
    let status = try monitor.run()
    end.finish(status)
    return status.code
  }

  // MARK: - The record

  func makeRecord(_ image: ImageRecord) throws(Failure) -> ContainerRecord {
    var record = ContainerRecord()
    let config = image.config
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
    let directory =
      options.workingDirectory ?? (config.workingDir.isEmpty ? "/" : config.workingDir)
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
    record.stopSignal = try stopSignal(options.stopSignal ?? config.stopSignal ?? "SIGTERM")
    copyOptions(into: &record)
    return record
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
    guard options.network == .host else { return shortID }
    return Files.text("/proc/sys/kernel/hostname") ?? shortID
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
    record.privileged = options.privileged
    record.readOnly = options.readOnly
    record.usesInit = options.usesInit
    let resources = options.resources
    record.memory = resources.memory?.limit ?? 0
    record.memorySwap = resources.memory?.swap ?? 0
    record.memoryReservation = resources.memory?.reservation ?? 0
    if let quota = resources.cpu?.quota, let period = resources.cpu?.period, period > 0 {
      record.nanoCPUs = quota * 1_000_000_000 / Int64(period)
    }
    record.cpuShares = resources.cpu?.shares ?? 0
    record.cpusetCPUs = resources.cpu?.cpus ?? ""
    record.pidsLimit = resources.pids?.limit ?? 0
    record.shmSize = options.shmSize
    record.capabilitiesAdded = options.capabilitiesAdded
    record.capabilitiesDropped = options.capabilitiesDropped
    record.binds = options.mounts.filter { $0.kind == .bind }.map {
      "\($0.source):\($0.target)" + ($0.readOnly ? ":ro" : "")
    }
    record.tmpfs = options.mounts.filter { $0.kind == .tmpfs }.map(\.target)
  }
}

/// What a monitor does when its container has ended.
struct ContainerEnd {
  let installation: Installation
  let record: ContainerRecord
  let cgroup: Cgroup
  let started = Timestamp.now

  /// Records the end, removes the cgroup and gives back what the container held.
  func finish(_ exit: ExitStatus) {
    var status = StatusFile()
    status.started = started
    status.finished = .now
    status.exitCode = exit.code
    status.oomKilled = cgroup.oomKills() > 0
    ContainerCleanup(installation).finish(record, status)
    try? cgroup.remove()
    if record.autoRemove { ContainerCleanup(installation).deleteDiscarded(record.id) }
  }
}
