import Image
import Linux

/// `minidock export`: a container's root file system as a tar.
public struct ContainerExport {
  let installation: Installation

  /// Exports from an installation.
  public init(_ installation: Installation) { self.installation = installation }

  /// Writes the archive. This process must have no thread.
  ///
  /// What is mounted in the container (volumes, /proc, /sys, /dev) is left out; its mount points are
  /// there, empty.
  ///
  /// - Parameters:
  ///   - name: the container, running or not.
  ///   - path: the file to make, which appears whole or not at all; nil for standard output.
  ///   - progress: told after each piece.
  /// - Throws: ``Failure/Code/refused`` for a terminal as output.
  public func export(
    _ name: String, to path: String?, progress: @escaping (TransferCount) -> Void
  ) throws(Failure) {
    if path == nil { try TarOutput.refuseTerminal("export", "use -o FILE or redirect it") }
    let (record, state) = try ContainerStore(installation).findWithState(name)
    guard let path else {
      let filesystem = try ContainerFilesystem.bare(record, state, installation)
      return try write(filesystem.root, to: 1, progress)
    }
    EventLog(installation).append([Event(container: record, "export")])
    var file = try OutputFile(path)
    let filesystem = try ContainerFilesystem.bare(record, state, installation)
    do throws(Failure) {
      try write(filesystem.root, to: file.descriptor.raw, progress)
      try file.publish()
    } catch {
      throw error.addingDiskRemedy()
    }
  }

  private func write(
    _ root: borrowing Root, to output: Int32, _ progress: @escaping (TransferCount) -> Void
  ) throws(Failure) {
    let tar = try TarWriter { (bytes) throws(Failure) in
      try writeAll(output, bytes, object: "archive")
    }
    let archiver = TreeArchiver(tar, progress: progress)
    try archiver.addTree(root.directory, as: [], name: root.name) { _ in .all }
    try tar.finish()
  }
}

/// Standard output as the place for an archive.
enum TarOutput {
  static func refuseTerminal(_ operation: String, _ remedy: String) throws(Failure) {
    guard Console.outputIsTerminal else { return }
    throw Failure(
      .refused, operation, "archive", reason: "standard output is a terminal", remedy: remedy)
  }
}
