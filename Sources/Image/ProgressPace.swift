import Linux

/// When whoever watches is told of progress: each MiB on a fast way, ten times a second on a slow one, and
/// once before a silence, so that what is shown is what has come.
struct ProgressPace {
  private let tell: ((Int64) -> Void)?
  private var total: Int64 = 0
  private var told: Int64 = 0
  private var time = Timestamp.monotonic

  private static let step: Int64 = 1 << 20
  private static let milliseconds: Int32 = 100

  /// - Parameter tell: gets all bytes so far; nil when nobody watches.
  init(_ tell: ((Int64) -> Void)?) { self.tell = tell }

  /// So many bytes have come.
  mutating func advanced(to total: Int64) {
    self.total = total
    guard tell != nil, total > told else { return }
    if total - told >= Self.step
      || Timestamp.monotonic - time >= UInt64(Self.milliseconds) * 1_000_000
    {
      finish()
    }
  }

  /// The next bytes may let themselves be waited for.
  mutating func beforeWaiting(for source: Int32) throws(Failure) {
    guard tell != nil, total > told else { return }
    var watches = [Watch(source)]
    if !(try Watch.wait(&watches, milliseconds: Self.milliseconds)) { finish() }
  }

  /// Tells of everything.
  mutating func finish() {
    tell?(total)
    told = total
    time = Timestamp.monotonic
  }
}
