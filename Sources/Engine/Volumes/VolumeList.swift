import Linux

/// `minidock volume ls` without its printing.
public struct VolumeList {
  let installation: Installation

  /// The volumes of an installation.
  public init(_ installation: Installation) { self.installation = installation }

  /// The volumes that match every filter, sorted by name.
  ///
  /// - Throws: ``Failure/Code/invalid`` for an unknown filter.
  public func list(filters: [Filter]) throws(Failure) -> [VolumeRecord] {
    try Filter.check(filters, known: ["name", "label", "dangling", "driver"])
    for filter in filters where filter.key == "dangling" {
      guard ["true", "false", "1", "0"].contains(filter.value) else {
        throw filter.invalid("it is not true or false")
      }
    }
    let store = VolumeStore(installation)
    let used = filters.contains { $0.key == "dangling" } ? try store.users() : [:]
    return try store.list().filter { volume in
      // Several values of one key are alternatives, several keys must all hold; labels all hold.
      filters.allSatisfy { filter in
        guard filter.key != "label" else { return filter.matchesLabel(volume.shownLabels) }
        return filters.contains { other in
          guard other.key == filter.key else { return false }
          switch other.key {
          case "name": return volume.name.contains(other.value)
          case "driver": return other.value == VolumeRecord.driver
          default:
            return (used[volume.name] == nil) == ["true", "1"].contains(other.value)
          }
        }
      }
    }
  }
}
