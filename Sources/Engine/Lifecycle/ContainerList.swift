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
