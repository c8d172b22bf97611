import Image
import Linux

/// `minidock diff`: what a container has changed in its file system.
public struct ContainerDiff {
  let installation: Installation

  /// Comparisons in an installation.
  public init(_ installation: Installation) { self.installation = installation }

  /// Where the engine itself makes empty files and directories to mount on. They say nothing about what
  /// the container did; docker keeps them in a layer of their own.
  static let mountPoints = Set(
    ["dev", "proc", "sys", "etc", "etc/hosts", "etc/hostname", "etc/resolv.conf"].map {
      Array($0.utf8)
    })

  /// Docker's lines, "A /path", sorted by path; control characters in names are escaped.
  ///
  /// - Throws: ``Failure/Code/notFound`` for no such container.
  public func lines(of name: String) throws(Failure) -> [String] {
    let record = try ContainerStore(installation).find(name)
    let upper = try Descriptor.open(
      ContainerStore(installation).directory(record.id) + "/upper", .directory)
    return try compare(record, upper).changes.map {
      "\($0.kind.rawValue) /" + String(decoding: $0.path, as: UTF8.self).printable
    }
  }

  /// A container's upper directory against its image.
  func compare(
    _ record: ContainerRecord, _ upper: borrowing Descriptor
  ) throws(Failure) -> LayerDiff {
    let image = try ContainerFilesystem.image(of: record, installation)
    return try LayerDiff(
      upper: upper, layers: image.layers.map(\.path), mountPoints: ContainerDiff.mountPoints)
  }
}
