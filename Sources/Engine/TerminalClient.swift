import CLinux
import Glibc
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
        pollfd(fd: monitor.descriptor.raw, events: Int16(POLLIN), revents: 0),
        pollfd(fd: signals.descriptor.raw, events: Int16(POLLIN), revents: 0),
        pollfd(fd: masterOpen ? master.raw : -1, events: Int16(POLLIN), revents: 0),
        pollfd(fd: readsInput ? 0 : -1, events: Int16(POLLIN), revents: 0),
      ]
      if poll(&watched, 4, -1) < 0 && errno != EINTR { throw .last("wait for", "terminal") }
      if watched[2].revents != 0 { masterOpen = copyOutput(master.raw) }
      if watched[3].revents != 0 {
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
      if watched[0].revents != 0 {
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

  // False at the end of the terminal: EIO when its last user has gone, or nothing left after the end.
  private func copyOutput(_ master: Int32) -> Bool {
    var state = pollfd(fd: master, events: Int16(POLLIN), revents: 0)
    guard poll(&state, 1, 0) > 0 else { return false }
    var space = [UInt8](repeating: 0, count: 32 << 10)
    let count = read(master, &space, space.count)
    guard count > 0 else { return count < 0 && errno == EINTR }
    return space.withUnsafeBytes { bytes in
      do throws(Failure) {
        try writeAll(1, UnsafeRawBufferPointer(rebasing: bytes[..<count]))
        return true
      } catch { return false }
    }
  }

  private enum Input {
    case more
    case ended
    case detached
  }

  private mutating func copyInput(to master: Int32) -> Input {
    var space = [UInt8](repeating: 0, count: 4096)
    let count = read(0, &space, space.count)
    if count < 0 && (errno == EINTR || errno == EAGAIN) { return .more }
    guard count > 0 else {
      // The end of a piped input is the terminal's end-of-file character.
      _ = write(master, [4], 1)
      return .ended
    }
    let (passed, isDetached) = keys.filter(space[..<count])
    if !passed.isEmpty {
      let isWritten: Bool = passed.withUnsafeBytes { bytes in
        do throws(Failure) {
          try writeAll(master, bytes)
          return true
        } catch { return false }
      }
      if !isWritten { return .ended }
    }
    return isDetached ? .detached : .more
  }

  private func pass(_ signals: borrowing SignalReader, _ process: ProcessIdentity, _ master: Int32) {
    while let (signal, _) = signals.next() {
      if signal == SIGWINCH {
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
