import Linux

/// What an engine asks of a container beside its bundle: runc's flags of `create` and `run`.
public struct BundleOptions: Sendable {
  /// `--bundle`.
  public var bundle = "."
  /// `--pid-file`; nil for none.
  public var pidFile: String?
  /// `--console-socket`: where the terminal's master is sent; nil for none.
  public var consoleSocket: String?
  /// `--pidfd-socket`: where a pidfd of the first process is sent; nil for none.
  public var pidfdSocket: String?
  /// Moves a link of this process's network namespace into the one behind the descriptor, under another
  /// name; nil where there is nobody who can, and `linux.netDevices` is refused.
  public var moveLink: LinkMover?
  /// `--no-pivot`.
  public var avoidsPivot = false
  /// `--no-new-keyring`.
  public var keepsKeyring = false
  /// `--preserve-fds`: how many descriptors from 3 on the command keeps.
  public var preserved: UInt32 = 0
  /// `--systemd-cgroup`.
  public var usesSystemd = false
  /// Whether the caller goes on without the container: there is nobody to pass a terminal's bytes.
  public var detaches = true
  /// Told what is done in another way than the bundle asks.
  public var warn: @Sendable (String) -> Void = { _ in }

  /// Moves the link `name`, calling it `newName` there.
  public typealias LinkMover =
    @Sendable (_ name: String, _ newName: String, _ namespace: Int32) throws(Failure) -> Void

  /// runc's defaults.
  public init() {}
}
