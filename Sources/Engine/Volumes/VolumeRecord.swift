import Linux

/// What is known of a volume beside its files, fixed when it is made.
public struct VolumeRecord: Sendable, Equatable {
  /// Unique in the installation: docker's grammar, or 64 hexadecimal digits of an anonymous one.
  public var name: String
  /// By the host's clock.
  public var created: Timestamp
  /// As given to `volume create`.
  public var labels: [String: String]
  /// Whether a container got it without a name: `volume prune` takes such volumes, and `rm -v`.
  public var isAnonymous: Bool

  /// A volume of now.
  public init(name: String, labels: [String: String] = [:], isAnonymous: Bool = false) {
    self.name = name
    created = .now
    self.labels = labels
    self.isAnonymous = isAnonymous
  }

  /// The label by which docker marks anonymous volumes.
  static let anonymousLabel = "com.docker.volume.anonymous"

  /// The only driver: a directory of the installation.
  public static let driver = "local"

  /// The labels that lists, filters and inspect see, sorted by key.
  public var shownLabels: [(key: String, value: String)] {
    var all = labels
    if isAnonymous { all[VolumeRecord.anonymousLabel] = "" }
    return all.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
  }

  var fields: FieldText {
    var text = FieldText()
    text.add("created", created.nanoseconds)
    text.add("driver", VolumeRecord.driver)
    if isAnonymous { text.add("flag", "anonymous") }
    for (key, value) in labels.sorted(by: { $0.key < $1.key }) {
      text.add("label", "\(key)=\(value)")
    }
    return text
  }

  init(name: String, _ text: FieldText) {
    self.name = name
    created = Timestamp(nanoseconds: text.number("created") ?? 0)
    isAnonymous = text.all("flag").contains("anonymous")
    labels = [:]
    for label in text.all("label") {
      let parts = label.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      labels[String(parts[0])] = parts.count == 2 ? String(parts[1]) : ""
    }
  }
}

/// A volume in a container, as the container's record names it: "name:target:mode", where the mode is
/// "rw" or "ro", and ",anonymous" after it when the user gave no name.
public struct MountedVolume: Sendable, Equatable {
  /// The volume's name.
  public let name: String
  /// An absolute path in the container.
  public let target: String
  /// Whether the container cannot write to it.
  public let isReadOnly: Bool
  /// Whether it goes with the container's `rm -v`.
  public let isAnonymous: Bool

  init(_ request: MountRequest) {
    name = request.source
    target = request.target
    isReadOnly = request.readOnly
    isAnonymous = request.isAnonymous
  }

  /// From a record's line; a name has no colon, a target may.
  init?(_ text: String) {
    guard let first = text.firstIndex(of: ":"), let last = text.lastIndex(of: ":"), first < last
    else { return nil }
    name = String(text[..<first])
    target = String(text[text.index(after: first)..<last])
    let mode = text[text.index(after: last)...]
    isReadOnly = mode.hasPrefix("ro")
    isAnonymous = mode.hasSuffix(",anonymous")
  }

  /// "ro" or "rw".
  public var mode: String { isReadOnly ? "ro" : "rw" }

  var text: String { "\(name):\(target):\(mode)" + (isAnonymous ? ",anonymous" : "") }
}

extension ContainerRecord {
  /// The volumes that it mounts.
  public var mountedVolumes: [MountedVolume] { volumes.compactMap { MountedVolume($0) } }

  var hasAnonymousVolumes: Bool { mountedVolumes.contains { $0.isAnonymous } }
}
