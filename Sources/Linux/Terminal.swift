import CLinux
import Glibc

/// The size of a terminal in character cells.
public struct TerminalSize: Sendable, Equatable {
  /// Lines; 0 when unknown.
  public var rows: UInt16
  /// Characters in a line; 0 when unknown.
  public var columns: UInt16

  /// A size.
  public init(rows: UInt16, columns: UInt16) {
    self.rows = rows
    self.columns = columns
  }
}

/// Terminals and pseudo-terminals.
public enum Terminal {
  /// Whether a descriptor is a terminal.
  public static func isTerminal(_ descriptor: Int32) -> Bool { isatty(descriptor) == 1 }

  /// The window size, nil when it is no terminal or has none.
  public static func size(of descriptor: Int32) -> TerminalSize? {
    var size = winsize()
    guard clx_ioctl(descriptor, CLX_TIOCGWINSZ, &size) == 0, size.ws_row > 0 || size.ws_col > 0
    else { return nil }
    return TerminalSize(rows: size.ws_row, columns: size.ws_col)
  }

  /// Sets the window size; the kernel sends SIGWINCH to the foreground process group.
  public static func setSize(_ size: TerminalSize, of descriptor: Int32) {
    var value = winsize(ws_row: size.rows, ws_col: size.columns, ws_xpixel: 0, ws_ypixel: 0)
    _ = clx_ioctl(descriptor, CLX_TIOCSWINSZ, &value)
  }

  /// Opens a new pseudo-terminal of the devpts instance mounted at `devpts`. Its other end comes from
  /// the master by ioctl (TIOCGPTPEER, Linux 4.13), never from a path (security row 6).
  public static func openPair(devpts: borrowing Descriptor) throws(Failure) -> TerminalPair {
    let master = try devpts.open("ptmx", .readWrite)
    var unlock: Int32 = 0
    try check("unlock", "pseudo-terminal") { clx_ioctl(master.raw, CLX_TIOCSPTLCK, &unlock) }
    let peer = try check("open", "pseudo-terminal") {
      clx_ioctl_value(master.raw, CLX_TIOCGPTPEER, Int(O_RDWR | O_NOCTTY | O_CLOEXEC))
    }
    return TerminalPair(master: master, peer: Descriptor(owning: peer))
  }

  /// Reads what there is and drops it.
  ///
  /// - Returns: false when the terminal has no user any more (EIO).
  public static func discardInput(_ descriptor: Int32) -> Bool {
    var space = [UInt8](repeating: 0, count: 16 << 10)
    return read(descriptor, &space, space.count) >= 0 || Glibc.errno != EIO
  }

  /// Makes a terminal the controlling one of this process, which must lead a session without one.
  public static func makeControlling(_ descriptor: Int32) throws(Failure) {
    try check("set controlling terminal") { clx_ioctl_value(descriptor, CLX_TIOCSCTTY, 0) }
  }
}

/// The two ends of a pseudo-terminal.
@frozen
public struct TerminalPair: ~Copyable, Sendable {
  /// The end that stands for the screen and keyboard: minidock's.
  public var master: Descriptor
  /// The end that a program sees as its terminal: the container's.
  public var peer: Descriptor

  @usableFromInline
  init(master: consuming Descriptor, peer: consuming Descriptor) {
    self.master = master
    self.peer = peer
  }
}

/// A terminal in raw mode; the mode found is restored when the owner goes out of scope.
public struct RawMode: ~Copyable, Sendable {
  private let descriptor: Int32
  private let before: termios

  /// Puts a terminal into raw mode, as cfmakeraw(3) does; nil when it is none.
  public init?(_ descriptor: Int32) {
    var attributes = termios()
    guard tcgetattr(descriptor, &attributes) == 0 else { return nil }
    self.descriptor = descriptor
    before = attributes
    cfmakeraw(&attributes)
    // Docker keeps output processing off as well: the container's own terminal adds the carriage returns.
    _ = tcsetattr(descriptor, TCSADRAIN, &attributes)
  }

  deinit {
    var attributes = before
    _ = tcsetattr(descriptor, TCSADRAIN, &attributes)
  }
}
