import Linux

/// Waiting for a process in the foreground, as `run` and `exec` do: signals are passed on, and a terminal's
/// bytes when there is one.
public struct ForegroundProcess: ~Copyable {
  private let child: Child
  private let master: Descriptor?
  private let signals: SignalReader
  private let rawMode: RawMode?

  /// Takes a process that runs, or will; call before it is let go, so that no signal is lost.
  public init(_ created: consuming CreatedContainer, signals: consuming SignalReader) {
    var created = created
    master = created.terminal.take()
    child = created.intoChild()
    self.signals = signals
    rawMode = Descriptor.borrow(master) == nil ? nil : RawMode(0)
  }

  /// Blocks the signals that are passed on.
  public static func takeSignals() throws(Failure) -> SignalReader {
    try SignalReader(Signals.catchable)
  }

  /// Follows the process to its end.
  ///
  /// - Returns: its exit status, 128 + n when signal n ended it.
  public func wait() throws(Failure) -> Int32 {
    let terminal = Descriptor.borrow(master) ?? -1
    if terminal >= 0, let size = Terminal.size(of: 0) { Terminal.setSize(size, of: terminal) }
    var input: Int32 = terminal >= 0 ? 0 : -1
    var output = terminal
    while true {
      var watches = [
        Watch(child.handle.raw), Watch(signals.descriptor.raw), Watch(output), Watch(input),
      ]
      _ = try Watch.wait(&watches)
      if watches[1].isReady { passSignals(terminal) }
      if watches[2].isReady, !copy(from: terminal, to: 1) { output = -1 }
      if watches[3].isReady, !copy(from: 0, to: terminal) { input = -1 }
      if watches[0].isReady, let status = try Processes.wait(pidfd: child.handle, hang: false) {
        // What the command wrote last is still there.
        while output >= 0, Watch.hasInput(output), copy(from: output, to: 1) {}
        return status.code
      }
    }
  }

  private func passSignals(_ terminal: Int32) {
    while let (signal, _) = signals.next() {
      if signal == Signal.windowChange, terminal >= 0 {
        if let size = Terminal.size(of: 0) { Terminal.setSize(size, of: terminal) }
      } else {
        Processes.signal(child.handle, signal)
      }
    }
  }

  private func copy(from source: Int32, to target: Int32) -> Bool {
    guard let bytes = try? readSome(source, limit: 16 << 10), !bytes.isEmpty else { return false }
    let written: Void? = try? bytes.withBytes { (it) throws(Failure) in
      try writeAll(target, it)
    }
    return written != nil
  }
}
