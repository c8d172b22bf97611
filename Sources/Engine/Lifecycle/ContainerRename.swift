import Linux

/// `minidock rename`.
public struct ContainerRename {
  let installation: Installation

  /// Renames in an installation.
  public init(_ installation: Installation) { self.installation = installation }

  /// Gives a container another name, whatever it is doing.
  ///
  /// - Throws: ``Failure/Code/exists`` when another container has the name.
  public func rename(_ text: String, to name: String) throws(Failure) {
    let store = ContainerStore(installation)
    let found = try store.find(text)
    // Docker takes the name with a slash in front, as inspect shows it.
    let name = name.hasPrefix("/") ? String(name.dropFirst()) : name
    try ContainerStore.validate(name: name)
    let lock = try store.lock(found.id)
    defer { _ = lock }
    guard var record = try store.read(found.id) else {
      throw Failure(.notFound, "rename container", text, reason: "it has just been removed")
    }
    guard record.name != name else {
      throw Failure(.invalid, "rename container", text, reason: "that is its name already")
    }
    let old = record.name
    // The new name first: a kill in between leaves a container with two names, never one without.
    _ = try store.claim(name: name, for: record.id)
    record.name = name
    do throws(Failure) { try store.write(record) } catch {
      try? Files.remove(installation.names + "/" + name)
      throw error
    }
    try Files.remove(installation.names + "/" + old)
    try ContainerNetworks(installation).renameEntries(of: record)
    EventLog(installation).append([
      Event(container: record, "rename", [("oldName", "/" + old)])
    ])
  }
}
