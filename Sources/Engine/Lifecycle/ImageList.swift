import Image
import Linux

/// `minidock images` without its printing.
public struct ImageList {
  let installation: Installation

  /// The images of an installation.
  public init(_ installation: Installation) { self.installation = installation }

  /// One line of the table: an image under one of its names, or under none.
  public struct Row: Sendable {
    /// The same for every name of an image: one with two names has two rows.
    public let image: ImageRecord
    /// By tag, or by digest when it has no tag; nil for an image without names, "<none>" in docker's tables.
    public let name: Reference?
    /// What the name is at its registry where that is known, else the manifest's.
    public let digest: Digest
  }

  /// The images that match every filter, newest first.
  ///
  /// - Parameters:
  ///   - repository: only this name, with or without a tag; nil for all.
  ///   - until: only what was made before.
  public func list(
    repository: String?, filters: [Filter], until: Timestamp? = nil
  ) throws(Failure) -> [Row] {
    try Filter.check(
      filters, known: ["reference", "label", "before", "since", "until", "dangling"])
    for filter in filters where filter.key == "dangling" {
      guard ["true", "false", "1", "0"].contains(filter.value) else {
        throw filter.invalid("it is not true or false")
      }
    }
    let wanted = try repository.map { text throws(Failure) in try Reference(text) }
    let hasTag = repository?.split(separator: "/").last?.contains(":") ?? false
    let store = try installation.imageStore()
    let notes = try store.remoteNotes()
    var rows: [Row] = []
    for image in try store.list() {
      if let until, image.created >= until { continue }
      guard try filters.allHold({ filter throws(Failure) in try holds(filter, image, store) })
      else { continue }
      let names = image.names.isEmpty ? notes.digestNames(of: image) : image.names
      for name in names.isEmpty ? [nil] : names.map(Optional.some) {
        let digest = name.flatMap { $0.digest ?? notes.digest(of: $0, image) } ?? image.manifest
        if let wanted {
          guard let name, name.repository == wanted.repository, !hasTag || name.tag == wanted.tag,
            wanted.digest == nil || wanted.digest == digest
          else { continue }
        }
        if let pattern = filters.first(where: { $0.key == "reference" })?.value {
          guard let name, Glob.matches(pattern, name) else { continue }
        }
        rows.append(Row(image: image, name: name, digest: digest))
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
