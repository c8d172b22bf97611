import Linux

/// This process's standard input on its way to a container: into a pipe as it is, or into a terminal key
/// by key, with an eye on the keys that leave it.
struct ClientInput: ~Copyable {
  private var relay: StreamRelay
  /// The container's terminal; nil without one.
  private let owned: Descriptor?
  private let terminal: Int32
  private var keys: DetachKeys
  private var readsKeys: Bool
  private var isFull = false
  private let isUsersTerminal: Bool
  private let raw: RawMode?

  /// What came with the input.
  enum Event {
    /// Nothing out of the ordinary.
    case nothing
    /// The keys that leave the container.
    case detachKeys
    /// The user's terminal is gone.
    case hangUp
  }

  /// Into a pipe, which is closed at the input's end; nil passes nothing on.
  init(pipe: consuming Descriptor?) {
    relay = .none
    if let pipe { relay = StreamRelay(from: 0, into: pipe) }
    owned = nil
    terminal = -1
    keys = .none
    readsKeys = false
    isUsersTerminal = false
    raw = nil
  }

  /// Into a terminal, whose size follows that of the user's. The user's terminal is in raw mode as long as
  /// this exists and its keys belong to the container.
  init(terminal: consuming Descriptor?, isInteractive: Bool, keys: DetachKeys) {
    relay = .none
    self.terminal = terminal?.raw ?? -1
    owned = terminal
    self.keys = keys
    readsKeys = isInteractive
    isUsersTerminal = Terminal.isTerminal(0)
    raw = isInteractive ? RawMode(0) : nil
    copySize()
  }

  /// Whether the container has a terminal.
  var hasTerminal: Bool { terminal >= 0 }

  /// What to wait for; nil when the input has ended.
  var interest: Watch? {
    guard readsKeys else { return relay.interest }
    return isFull ? Watch(terminal, forOutput: true) : Watch(0)
  }

  /// Moves what there is.
  mutating func pump() -> Event {
    guard readsKeys else {
      relay.pump()
      return .nothing
    }
    isFull = !Watch.takesOutput(terminal)
    guard !isFull, Watch.hasInput(0) else { return .nothing }
    guard let input = try? readSome(0, limit: 1024), !input.isEmpty else {
      readsKeys = false
      // A terminal in raw mode has no end of input but its own.
      if isUsersTerminal { return .hangUp }
      // The end of a piped input is the terminal's end-of-file character.
      _ = write([4])
      return .nothing
    }
    let (passed, isDetached) = keys.filter(input[...])
    if !write(passed) { readsKeys = false }
    return isDetached ? .detachKeys : .nothing
  }

  private func write(_ bytes: [UInt8]) -> Bool {
    let isWritten: Void? = try? bytes.withBytes { (bytes) throws(Failure) in
      try writeAll(terminal, bytes)
    }
    return isWritten != nil
  }

  /// Gives the container's terminal the size of the user's.
  func copySize() {
    guard terminal >= 0, let size = Terminal.size(of: 0) ?? Terminal.size(of: 1) else { return }
    Terminal.setSize(size, of: terminal)
  }

  /// Ends the input: the command reads its end.
  mutating func close() {
    relay.finish()
    readsKeys = false
  }
}
