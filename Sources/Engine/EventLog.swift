import Linux

/// The events since the last boot, at most some 2 MiB of them: `<runRoot>/events`, and `events.old` before
/// it. Every process appends by itself, each event in one write(2).
public struct EventLog: Sendable {
  let installation: Installation
  private static let limit: Int64 = 1 << 20

  /// The events of an installation.
  public init(_ installation: Installation) { self.installation = installation }

  var path: String { installation.runRoot + "/events" }

  /// Appends events. That something cannot be told must not keep it from being done: a failure is dropped.
  func append(_ events: [Event]) {
    guard let file = try? Descriptor.open(path, .append(mode: 0o600)) else { return }
    var text: [UInt8] = []
    for event in events { text += event.line.utf8 }
    try? file.write(text, object: path)
    if let size = try? file.fileStatus().size, size > EventLog.limit {
      // Of two that find it full, the second finds the new one small.
      guard let lock = try? FileLock.tryAcquire(installation.runRoot + "/events.lock") else {
        return
      }
      defer { _ = lock }
      if let now = try? FileStatus(path).size, now > EventLog.limit {
        try? Files.rename(path, to: path + ".old")
      }
    }
  }

  /// What is wanted of the events.
  public struct Query: Sendable {
    /// Only later ones; nil begins with what happens from now on.
    public var since: Timestamp?
    /// Only earlier ones; nil goes on for ever.
    public var until: Timestamp?
    /// Docker's keys: container, image, volume, type, event, label.
    public var filters: [Filter] = []

    /// Everything from now on.
    public init() {}
  }

  /// Docker's keys for `events --filter`.
  static let filterKeys = ["container", "image", "volume", "type", "event", "action", "label"]

  /// Passes on the events that match, as they happen.
  ///
  /// - Parameter body: returns false to end.
  public func follow(_ query: Query, _ body: (Event) throws(Failure) -> Bool) throws(Failure) {
    try Filter.check(query.filters, known: EventLog.filterKeys)
    let watch = try FileWatch()
    try watch.add(installation.runRoot)
    var cursor = EventCursor(path: path, fromStart: query.since != nil)
    while true {
      for event in cursor.read() {
        if let since = query.since, event.time < since { continue }
        if let until = query.until, event.time > until { return }
        guard query.matches(event) else { continue }
        if !(try body(event)) { return }
      }
      var timeout: Int32 = -1
      if let until = query.until {
        let left = (until.nanoseconds - Timestamp.now.nanoseconds) / 1_000_000
        if left < 0 { return }
        timeout = Int32(clamping: left + 1)
      }
      var watches = [Watch(watch.descriptor.raw)]
      try Watch.wait(&watches, milliseconds: timeout)
      watch.drain()
    }
  }
}

extension EventLog.Query {
  /// Several values of one key are alternatives, several keys must all hold; labels all hold.
  func matches(_ event: Event) -> Bool {
    for filter in filters {
      let group = filters.filter { $0.key == filter.key }
      let holds =
        filter.key == "label"
        ? self.holds(filter, event) : group.contains { self.holds($0, event) }
      if !holds { return false }
    }
    return true
  }

  private func holds(_ filter: Filter, _ event: Event) -> Bool {
    let name = event.attributes.first { $0.key == "name" }?.value
    switch filter.key {
    case "type": return event.type == filter.value
    case "event", "action":
      return event.action == filter.value || event.action.hasPrefix(filter.value + ":")
    case "container":
      return event.type == "container"
        && (event.id.hasPrefix(filter.value) || name == filter.value)
    case "volume": return event.type == "volume" && event.id == filter.value
    case "image":
      if event.type == "image" { return event.id == filter.value || name == filter.value }
      return event.attributes.first { $0.key == "image" }?.value == filter.value
    default: return filter.matchesLabel(event.attributes)
    }
  }
}

/// A place in the event log that goes on across its replacement.
private struct EventCursor {
  let path: String
  private var inode: UInt64 = 0
  private var offset: Int64 = 0
  private var rest: [UInt8] = []
  private var old: [UInt8] = []

  init(path: String, fromStart: Bool) {
    self.path = path
    if fromStart {
      old = ((try? Files.read(path + ".old", limit: 64 << 20)) ?? nil) ?? []
    } else if let info = try? FileStatus(path) {
      inode = info.inode
      offset = info.size
    }
  }

  mutating func read() -> [Event] {
    if let now = try? FileStatus(path), now.inode != inode {
      // What was still to be read of the one before has moved.
      if inode != 0, let before = try? Descriptor.open(path + ".old", .read) { take(before) }
      inode = now.inode
      offset = 0
    }
    if let file = try? Descriptor.open(path, .read) { take(file) }
    guard let end = rest.lastIndex(of: UInt8(ascii: "\n")) else { return events(&old) }
    var lines = Array(rest[...end])
    rest = Array(rest[(end + 1)...])
    return events(&old) + events(&lines)
  }

  private func events(_ bytes: inout [UInt8]) -> [Event] {
    defer { bytes = [] }
    return String(decoding: bytes, as: UTF8.self).split(separator: "\n").compactMap {
      Event(line: $0)
    }
  }

  private mutating func take(_ file: borrowing Descriptor) {
    var space = [UInt8](repeating: 0, count: 64 << 10)
    let number = file.raw
    while true {
      let place = offset
      let got = try? space.withMutableBytes { (bytes) throws(Failure) in
        try FileBytes.read(number, into: bytes, at: place)
      }
      guard let got, got > 0 else { return }
      rest += space[..<got]
      offset += Int64(got)
    }
  }
}
