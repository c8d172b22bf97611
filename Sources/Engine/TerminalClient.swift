import Linux

/// The user's side of a container's terminal: copies between the two terminals, follows the window
/// size, and watches for the detach keys.
struct TerminalClient: ~Copyable {
  private let monitor: MessageSocket
  private var keys: DetachKeys
  private let interactive: Bool
  private let proxiesSignals: Bool

  init(
    monitor: consuming MessageSocket, detachKeys: DetachKeys, interactive: Bool,
    proxiesSignals: Bool
  ) {
    self.monitor = monitor
    keys = detachKeys
    self.interactive = interactive
    self.proxiesSignals = proxiesSignals
  }

  /// Follows the container to its end, or until the user leaves.
  ///
  /// - Returns: the container's exit status; 0 after the detach keys.
  mutating func run(report: ([String]) -> Void) throws(Failure) -> Int32 {
    guard let first = try monitor.receive() else { throw TerminalClient.monitorGone }
    switch try MonitorMessage(first.bytes) {
    case .failed(let failure): throw failure
    case .exited(let code): return code
    case .started(let process, let trace):
      guard let number = first.descriptors.first else { throw TerminalClient.monitorGone }
      report(trace)
      return try follow(Descriptor(owning: number), process)
    }
  }

  private static let monitorGone = Failure(
    .system, "run container", reason: "its monitor ended unexpectedly",
    remedy: "minidock ps -a shows what became of it")

  private mutating func follow(
    _ master: consuming Descriptor, _ process: ProcessIdentity
  ) throws(Failure) -> Int32 {
    let signals = try SignalReader(ForegroundMonitor.proxied)
    // The user's terminal is in raw mode only while its keys belong to the container.
    let raw = interactive ? RawMode(0) : nil
    copySize(to: master.raw)
    var readsInput = interactive
    var masterOpen = true
    while true {
      var watched = [
        Watch(monitor.descriptor.raw), Watch(signals.descriptor.raw),
        Watch(masterOpen ? master.raw : -1), Watch(readsInput ? 0 : -1),
      ]
      try Watch.wait(&watched)
      if watched[2].isReady { masterOpen = copyOutput(master.raw) }
      if watched[3].isReady {
        switch copyInput(to: master.raw) {
        case .more: break
        case .ended: readsInput = false
        case .detached:
          _ = consume raw
          try? writeText("\r\nread escape sequence\r\n")
          return 0
        }
      }
      pass(signals, process, master.raw)
      if watched[0].isReady {
        while masterOpen { masterOpen = copyOutput(master.raw) }
        guard let last = try monitor.receive() else { throw TerminalClient.monitorGone }
        switch try MonitorMessage(last.bytes) {
        case .exited(let code): return code
        case .failed(let failure): throw failure
        case .started: continue
        }
      }
    }
  }

  private func copySize(to master: Int32) {
    guard let size = Terminal.size(of: 0) ?? Terminal.size(of: 1) else { return }
    Terminal.setSize(size, of: master)
  }

  // False at the end of the terminal: its last user has gone, or nothing is left after the end.
  private func copyOutput(_ master: Int32) -> Bool {
    guard Watch.hasInput(master), let bytes = try? readSome(master, limit: 32 << 10),
      !bytes.isEmpty
    else { return false }
    return (try? bytes.withBytes { (bytes) throws(Failure) in try writeAll(1, bytes) }) != nil
  }

  private enum Input {
    case more
    case ended
    case detached
  }

  private mutating func copyInput(to master: Int32) -> Input {
    guard let input = try? readSome(0, limit: 4096), !input.isEmpty else {
      // The end of a piped input is the terminal's end-of-file character.
      _ = try? [UInt8(4)].withBytes { (bytes) throws(Failure) in try writeAll(master, bytes) }
      return .ended
    }
    let (passed, isDetached) = keys.filter(input[...])
    let isWritten: Void? = try? passed.withBytes { (bytes) throws(Failure) in
      try writeAll(master, bytes)
    }
    if isWritten == nil { return .ended }
    return isDetached ? .detached : .more
  }

  private func pass(_ signals: borrowing SignalReader, _ process: ProcessIdentity, _ master: Int32)
  {
    while let (signal, _) = signals.next() {
      if signal == Signal.windowChange {
        copySize(to: master)
      } else if proxiesSignals {
        _ = try? Processes.signal(process, signal)
      }
    }
  }

  private func writeText(_ text: String) throws(Failure) {
    try Array(text.utf8).withBytes { (bytes) throws(Failure) in try writeAll(2, bytes) }
  }
}
