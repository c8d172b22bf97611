import Image
import Linux

/// A container with its state, as `ps` lists it.
public struct ListedContainer: Sendable {
  /// What it was created with.
  public let record: ContainerRecord
  /// As it was when the list was made: a running container may have ended since.
  public let state: ContainerState
}

/// `minidock ps` without its printing.
public struct ContainerList {
  let installation: Installation
  private let findings: Housekeeping.Findings

  /// The containers of an installation, with what a sweep has just seen of them.
  public init(
    _ installation: Installation, _ findings: Housekeeping.Findings = Housekeeping.Findings()
  ) {
    self.installation = installation
    self.findings = findings
  }

  /// The containers that match every filter, newest first.
  ///
  /// - Parameters:
  ///   - all: those that do not run as well; filters on status or exit code imply it.
  ///   - last: at most so many of the newest, running or not; 0 is no bound.
  /// - Throws: ``Failure/Code/invalid`` for an unknown filter.
  public func list(
    all: Bool, last: Int, filters: [Filter]
  ) throws(Failure) -> [ListedContainer] {
    try Filter.check(filters, known: ContainerList.filterKeys)
    let store = ContainerStore(installation)
    try check(filters, store)
    let impliesAll = filters.contains { $0.key == "status" || $0.key == "exited" }
    var result: [ListedContainer] = []
    for record in try store.list(findings.containers) {
      let listed = ListedContainer(record: record, state: store.state(of: record, findings))
      guard all || last > 0 || impliesAll || listed.state.status.isInUse else { continue }
      guard try matches(listed, filters) else { continue }
      result.append(listed)
      if last > 0 && result.count == last { break }
    }
    return result
  }

  /// Docker's keys for `ps --filter`.
  static let filterKeys = [
    "id", "name", "label", "status", "exited", "ancestor", "network", "before", "since", "health",
    "volume",
  ]

  // A value that can never match is a mistake, not an empty list.
  private func check(_ filters: [Filter], _ store: ContainerStore) throws(Failure) {
    for filter in filters {
      let isValid: Bool
      switch filter.key {
      case "status": isValid = ContainerStatus(rawValue: filter.value) != nil
      case "exited": isValid = Int32(filter.value) != nil
      case "health":
        isValid =
          filter.value == "none" || HealthState.Status(rawValue: filter.value) != nil
      case "before", "since":
        _ = try store.find(filter.value)
        isValid = true
      default: isValid = true
      }
      guard isValid else { throw filter.invalid("no container can have this value") }
    }
  }

  private func matches(
    _ container: ListedContainer, _ filters: [Filter]
  ) throws(Failure) -> Bool {
    // Several values of one key are alternatives, several keys must all hold; labels all hold.
    for (key, group) in Dictionary(grouping: filters, by: \.key) {
      var isMatch = key == "label"
      for filter in group {
        let holds = try self.holds(filter, container)
        isMatch = key == "label" ? isMatch && holds : isMatch || holds
      }
      if !isMatch { return false }
    }
    return true
  }

  private func holds(
    _ filter: Filter, _ container: ListedContainer
  ) throws(Failure) -> Bool {
    let record = container.record
    let value = filter.value
    switch filter.key {
    case "id": return record.id.hasPrefix(value)
    case "name": return record.name.contains(value)
    case "label": return filter.matchesLabel(record.labels)
    case "status": return container.state.status.rawValue == value
    case "exited":
      return container.state.status == .exited && String(container.state.exitCode) == value
    case "ancestor":
      return record.image == value || record.imageID.hasPrefix(value)
        || record.imageID.hasPrefix("sha256:" + value)
        || (try? Reference(value))?.familiar == (try? Reference(record.image))?.familiar
    case "network": return record.isOn(network: value)
    case "health": return (container.state.health?.status.rawValue ?? "none") == value
    case "volume": return record.mountsVolume(value)
    case "before": return record.created < (try ContainerStore(installation).find(value).created)
    default: return record.created > (try ContainerStore(installation).find(value).created)
    }
  }
}

extension ContainerRecord {
  /// Whether a volume of this name, or anything at or from this path, is mounted.
  fileprivate func mountsVolume(_ text: String) -> Bool {
    (volumes + binds).contains { mount in
      mount.split(separator: ":").prefix(2).contains { $0 == text }
    }
  }
}

/// One `--filter KEY=VALUE`.
public struct Filter: Sendable, Equatable {
  /// In lower case; each list knows its own keys and refuses others.
  public let key: String
  /// Everything after the first "="; may be empty.
  public let value: String

  /// Parses a filter.
  public init(_ text: String) throws(Failure) {
    guard let equals = text.firstIndex(of: "=") else {
      throw Failure(
        .invalid, "parse", "--filter \(text)", reason: "it is not KEY=VALUE")
    }
    key = String(text[..<equals]).lowercased()
    value = String(text[text.index(after: equals)...])
  }

  func invalid(_ reason: String) -> Failure {
    Failure(.invalid, "parse", "--filter \(key)=\(value)", reason: reason)
  }

  static func check(_ filters: [Filter], known: [String]) throws(Failure) {
    for filter in filters where !known.contains(filter.key) {
      throw Failure(
        .invalid, "parse", "--filter \(filter.key)=\(filter.value)", reason: "unknown key",
        remedy: "use one of " + known.joined(separator: ", "))
    }
  }

  /// "label=key" or "label=key=value".
  func matchesLabel(_ labels: [(key: String, value: String)]) -> Bool {
    labels.contains { $0.key == value || "\($0.key)=\($0.value)" == value }
  }
}

/// `minidock images` without its printing.
public struct ImageList {
  let installation: Installation

  /// The images of an installation.
  public init(_ installation: Installation) { self.installation = installation }

  /// One line of the table: an image under one of its names, or under none.
  public struct Row: Sendable {
    /// The same for every name of an image: one with two names has two rows.
    public let image: ImageRecord
    /// nil for an image without names, "<none>" in docker's tables.
    public let name: Reference?
  }

  /// The images that match every filter, newest first.
  ///
  /// - Parameter repository: only this name, with or without a tag; nil for all.
  public func list(repository: String?, filters: [Filter]) throws(Failure) -> [Row] {
    try Filter.check(filters, known: ["reference", "label", "before", "since", "dangling"])
    for filter in filters where filter.key == "dangling" {
      guard ["true", "false", "1", "0"].contains(filter.value) else {
        throw filter.invalid("it is not true or false")
      }
    }
    let wanted = try repository.map { text throws(Failure) in try Reference(text) }
    let hasTag = repository?.split(separator: "/").last?.contains(":") ?? false
    let store = try installation.imageStore()
    var rows: [Row] = []
    for image in try store.list() {
      guard try filters.allHold({ filter throws(Failure) in try holds(filter, image, store) })
      else { continue }
      let names: [Reference?] = image.names.isEmpty ? [nil] : image.names.map { $0 }
      for name in names {
        if let wanted {
          guard let name, name.repository == wanted.repository, !hasTag || name.tag == wanted.tag
          else { continue }
        }
        if let pattern = filters.first(where: { $0.key == "reference" })?.value {
          guard let name, Glob.matches(pattern, name) else { continue }
        }
        rows.append(Row(image: image, name: name))
      }
    }
    return rows
  }

  private func holds(
    _ filter: Filter, _ image: ImageRecord, _ store: ImageStore
  ) throws(Failure) -> Bool {
    switch filter.key {
    case "label":
      return filter.matchesLabel(image.config.labels.map { ($0.key, $0.value) })
    case "dangling": return image.names.isEmpty == (filter.value == "true" || filter.value == "1")
    case "before", "since":
      guard let other = try store.find(filter.value) else {
        throw Failure(.notFound, "find image", filter.value, reason: "no such image")
      }
      return filter.key == "before" ? image.created < other.created : image.created > other.created
    default: return true
    }
  }
}

extension [Filter] {
  fileprivate func allHold(_ test: (Filter) throws(Failure) -> Bool) throws(Failure) -> Bool {
    for filter in self where !(try test(filter)) { return false }
    return true
  }
}

/// File-name patterns with `*`, `?` and `[...]`, matched by the C library.
enum Glob {
  static func matches(_ pattern: String, _ reference: Reference) -> Bool {
    PatternMatch.matches(pattern, reference.familiar)
      || PatternMatch.matches(pattern, reference.repository)
  }
}
