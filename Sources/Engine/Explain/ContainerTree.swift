import Image
import Linux

/// The files of a container that does not run, as overlayfs would show them: its own changes over its
/// image's layers. Looked up through ``Root`` alone, never mounted, and nothing in it is executed.
struct ContainerTree {
  /// Directories, the topmost first.
  let layers: [String]
  /// Paths in the container at which something else is mounted.
  var covered: [String] = []

  init(layers: [String]) { self.layers = layers }

  init(_ store: ContainerStore, _ record: ContainerRecord, _ options: RunOptions) {
    var layers = [store.directory(record.id) + "/upper"]
    let image = (try? store.installation.imageStore().find(record.imageID)) ?? nil
    layers += (image?.layers ?? []).reversed().map(\.path)
    self.init(layers: layers)
    covered = options.mounts.map(\.target) + ["/proc", "/sys", "/dev"]
  }

  /// A file or directory.
  struct Entry {
    /// The path after all links.
    var path: String
    var status: FileStatus
    fileprivate var layer: String
  }

  /// Whether there are files to look at.
  var isEmpty: Bool { layers.count < 2 }

  /// Whether a path lies in a mount, of which nothing is known here.
  func isCovered(_ path: String) -> Bool {
    covered.contains { path == $0 || path.hasPrefix($0.hasSuffix("/") ? $0 : $0 + "/") }
  }

  /// What is at an absolute path, links followed; nil when there is nothing.
  func find(_ path: String) -> Entry? {
    var pending = path.split(separator: "/").map(String.init)[...]
    var place: [String] = []
    var links = 0
    var entry: Entry?
    while let name = pending.popFirst() {
      if name == "." { continue }
      if name == ".." {
        _ = place.popLast()
        continue
      }
      guard let found = lookUp(place + [name]) else { return nil }
      guard let target = found.target else {
        place.append(name)
        entry = found.entry
        continue
      }
      links += 1
      guard links <= 40 else { return nil }
      if target.hasPrefix("/") { place = [] }
      pending = (target.split(separator: "/").map(String.init) + pending)[...]
    }
    return entry
  }

  /// The beginning of a regular file.
  func head(_ entry: Entry, limit: Int = 4096) -> [UInt8] {
    guard let root = try? Root(path: entry.layer) else { return [] }
    return root.head(of: entry.path, limit: limit) ?? []
  }

  /// The names in a directory, links followed.
  func names(in path: String) -> [String] {
    guard let directory = find(path), directory.status.kind == .directory else { return [] }
    var names: Set<String> = []
    var hidden: Set<String> = []
    for layer in layers {
      guard let root = try? Root(path: layer) else { continue }
      for (name, status) in root.entries(of: directory.path) where !hidden.contains(name) {
        if !ContainerTree.isWhiteout(status) {
          names.insert(name)
        } else if !names.contains(name) {
          hidden.insert(name)
        }
      }
    }
    return names.sorted()
  }

  // A path without links but perhaps at its end. The topmost layer that has it counts.
  private func lookUp(_ place: [String]) -> (entry: Entry, target: String?)? {
    let path = "/" + place.joined(separator: "/")
    for layer in layers {
      do throws(Failure) {
        let found = try Root(path: layer).locate(path, noSymlinks: true)
        let status = try found.fileStatus()
        if ContainerTree.isWhiteout(status) { return nil }
        return (
          Entry(path: path, status: status, layer: layer),
          status.kind == .symbolicLink ? found.linkTarget : nil
        )
      } catch  where error.errno == ErrorNumber.noEntry {
        continue
      } catch {
        // A layer in which a part of the path is a file or link: the layer above hides it.
        return nil
      }
    }
    return nil
  }

  // overlayfs's mark for what an upper layer has removed.
  private static func isWhiteout(_ status: FileStatus) -> Bool {
    status.kind == .characterDevice && status.major == 0 && status.minor == 0
  }
}
