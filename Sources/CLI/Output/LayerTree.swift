import Engine
import Image
import Linux

/// Images as a tree of their layers: what several share is drawn once.
struct LayerTree {
  private final class Node {
    let image: ImageRecord?
    let index: Int
    var command = ""
    var changes: LayerChanges?
    var children: [Node] = []
    /// The images that end with this layer.
    var ends: [ImageRecord] = []

    init(image: ImageRecord?, index: Int) {
      self.image = image
      self.index = index
    }

    var layer: Layer? { image?.layers[index] }
  }

  private let top = Node(image: nil, index: 0)
  private var largest: Int64 = 1

  init(
    _ images: [ImageRecord], _ store: ImageStore, countingChanges: Bool
  ) throws(Failure) {
    for image in images {
      var node = top
      // A damaged configuration takes the commands away, not the tree.
      let steps = ((try? store.history(of: image)) ?? []).filter { $0.layer != nil }.reversed()
      let commands = steps.map(\.createdBy)
      for index in image.layers.indices {
        let chain = image.layers[index].chainID
        if let known = node.children.first(where: { $0.layer?.chainID == chain }) {
          node = known
          continue
        }
        let child = Node(image: image, index: index)
        child.command = index < commands.count ? LayerTree.plain(commands[index]) : ""
        if countingChanges { child.changes = try? LayerChanges(image, layer: index) }
        largest = max(largest, image.layers[index].size)
        node.children.append(child)
        node = child
      }
      if !node.ends.contains(where: { $0.id == image.id }) { node.ends.append(image) }
    }
  }

  /// Docker's wrapping of commands says nothing to a reader.
  private static func plain(_ command: String) -> String {
    var text = command.printable
    for prefix in ["/bin/sh -c #(nop) ", "/bin/sh -c "] where text.hasPrefix(prefix) {
      text = String(text.dropFirst(prefix.count)).trimmed
    }
    if text.hasSuffix(" # buildkit") { text = String(text.dropLast(11)) }
    return text
  }

  /// The tree.
  ///
  /// - Parameter width: the terminal's columns, at which lines are cut; 0 for none.
  func text(width: Int) -> String {
    var lines: [String] = []
    for image in top.ends { lines.append(LayerTree.title(image)) }
    for (index, child) in top.children.enumerated() {
      if index > 0 || !lines.isEmpty { lines.append("") }
      draw(child, prefix: "", isLast: true, isRoot: true, &lines)
    }
    return lines.map { line in
      let cut = width > 0 && line.count > width ? line.prefix(width - 1) + "…" : line[...]
      return cut + "\n"
    }.joined()
  }

  private func draw(
    _ node: Node, prefix: String, isLast: Bool, isRoot: Bool, _ lines: inout [String]
  ) {
    let branch = isRoot ? "" : isLast ? "└─ " : "├─ "
    lines.append(prefix + branch + describe(node))
    // Layers that only one line of images has go straight down, without another step to the right.
    let isFork = node.children.count > 1 || !node.ends.isEmpty
    let below = prefix + (isRoot ? "" : isLast ? "   " : "│  ")
    for (index, image) in node.ends.enumerated() {
      let isEnd = node.children.isEmpty && index == node.ends.count - 1
      lines.append(below + (isEnd ? "└▸ " : "├▸ ") + LayerTree.title(image))
    }
    for (index, child) in node.children.enumerated() {
      let isEnd = index == node.children.count - 1
      if isFork {
        draw(child, prefix: below, isLast: isEnd, isRoot: false, &lines)
      } else {
        draw(child, prefix: below, isLast: true, isRoot: true, &lines)
      }
    }
  }

  private func describe(_ node: Node) -> String {
    guard let layer = node.layer else { return "" }
    var words = [layer.chainID.short]
    let size = ByteCount.decimal(layer.size)
    words.append(String(repeating: " ", count: max(0, 7 - size.count)) + size)
    words.append(LayerTree.bar(layer.size, of: largest))
    if let changes = node.changes {
      let parts = [
        ("+", changes.added), ("~", changes.changed), ("-", changes.deleted),
      ].filter { $0.1 > 0 }.map { "\($0.0)\($0.1)" }
      let text = parts.isEmpty ? "no change" : parts.joined(separator: " ")
      words.append(text + String(repeating: " ", count: max(0, 16 - text.count)))
    }
    if !node.command.isEmpty { words.append(node.command) }
    var line = words.joined(separator: "  ")
    while line.last == " " { line.removeLast() }
    return line
  }

  private static func bar(_ size: Int64, of largest: Int64) -> String {
    let parts = Array(" ▏▎▍▌▋▊▉")
    let eighths = Int((Double(size) / Double(largest) * 64).rounded(.up))
    var text = String(repeating: "█", count: eighths / 8)
    if eighths % 8 > 0 { text.append(parts[eighths % 8]) }
    return text + String(repeating: " ", count: max(0, 8 - text.count))
  }

  private static func title(_ image: ImageRecord) -> String {
    let names = image.names.isEmpty ? "<none>" : image.names.map(\.familiar).joined(separator: ", ")
    let layers = image.layers.count == 1 ? "1 layer" : "\(image.layers.count) layers"
    let platform = ImagePlatform(
      os: image.os, architecture: image.architecture, variant: image.variant)
    return "\(names)  \(image.id.short)  \(platform)  \(ByteCount.decimal(image.size)) in \(layers)"
  }
}
