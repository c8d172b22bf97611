import Image
import Linux
import RegistryExchange

/// Brings single parts of images from the registries that they were pulled from or pushed to.
///
/// Only those that the store has noted are asked: a check tells nobody of images that came otherwise.
final class ImageSources {
  private let store: ImageStore
  /// The one that was asked last.
  private var connection: RegistryConnection?

  init(_ store: ImageStore) { self.store = store }

  /// Writes a part into a file; the caller compares its digest.
  ///
  /// - Returns: false when the image is from no registry.
  /// - Throws: why the last of its registries could not give it.
  func fetch(_ lost: StoreCheck.Lost, into file: Int32) throws(Failure) -> Bool {
    var failure: Failure?
    for name in try store.remoteNotes().digestNames(of: lost.image) {
      do throws(Failure) {
        // Of the attempt before.
        try FileBytes.setLength(file, 0, object: "part of an image")
        try FileBytes.seek(file, to: 0)
        try fetch(lost, from: name, into: file)
        return true
      } catch {
        connection = nil
        failure = error
      }
    }
    if let failure { throw failure }
    return false
  }

  private func fetch(
    _ lost: StoreCheck.Lost, from name: Reference, into file: Int32
  ) throws(Failure) {
    if connection?.domain != name.domain {
      connection = try RegistryConnection.open(name.domain, for: .pull)
    }
    let repository = RemoteRepository(domain: name.domain, path: name.path)
    let digest = lost.digest.description
    let request: RegistryRequest =
      if let size = lost.size {
        .blob(repository, digest: digest, size: size, skipsMirrors: false)
      } else {
        .manifest(repository, reference: digest)
      }
    try connection?.copy(request, into: file)
  }
}
