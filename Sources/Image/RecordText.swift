import Linux

/// The summary of an image beside its blobs: what `run` needs, in a form that is read without JSON.
/// It can be made again from the OCI documents at any time.
///
/// Its `name` fields are candidates: a name is the image's when the store's link of that name says so.
enum RecordText {
  static let version = "1"

  static func bytes(_ record: ImageRecord) -> [UInt8] {
    var text = FieldText()
    text.add("version", version)
    text.add("manifest", record.manifest.hex)
    text.add("created", record.created.nanoseconds)
    text.add("architecture", record.architecture)
    text.add("os", record.os)
    text.add("variant", record.variant)
    text.add("comment", record.comment)
    text.add("name", record.names.map(\.canonical))
    for layer in record.layers {
      text.add("layer", "\(layer.diffID.hex) \(layer.chainID.hex) \(layer.blob.hex) \(layer.size)")
    }
    let config = record.config
    text.add("env", config.env)
    text.add("cmd", config.cmd)
    text.add("entrypoint", config.entrypoint)
    text.add("user", config.user)
    text.add("workdir", config.workingDir)
    for key in config.labels.keys.sorted() {
      text.add("label", key)
      text.add("labelvalue", config.labels[key] ?? "")
    }
    text.add("volume", config.volumes)
    text.add("port", config.exposedPorts)
    text.add("stopsignal", config.stopSignal)
    text.add("end", "")
    return text.bytes
  }

  /// Nil for a text of another version or one that is damaged: the caller makes it again.
  static func record(_ id: Digest, _ bytes: [UInt8], layersPath: String) -> ImageRecord? {
    let text = FieldText(parsing: bytes)
    guard text.fields.first?.key == "version", text.fields.first?.value == version,
      text.fields.last?.key == "end"
    else { return nil }
    var manifest: Digest?
    var created: Int64?
    var (architecture, os, variant, comment) = ("", "", "", "")
    var names: [Reference] = []
    var layers: [Layer] = []
    var config = ImageConfig()
    var label = ""
    for (key, value) in text.fields {
      switch key {
      case "manifest": manifest = Digest(hex: value)
      case "created": created = Int64(value)
      case "architecture": architecture = value
      case "os": os = value
      case "variant": variant = value
      case "comment": comment = value
      case "name":
        guard let name = try? Reference(value) else { return nil }
        names.append(name)
      case "layer":
        guard let layer = layer(value, layersPath) else { return nil }
        layers.append(layer)
      case "env": config.env.append(value)
      case "cmd": config.cmd.append(value)
      case "entrypoint": config.entrypoint.append(value)
      case "user": config.user = value
      case "workdir": config.workingDir = value
      case "label": label = value
      case "labelvalue": config.labels[label] = value
      case "volume": config.volumes.append(value)
      case "port": config.exposedPorts.append(value)
      case "stopsignal": config.stopSignal = value
      default: break
      }
    }
    guard let manifest, let created else { return nil }
    return ImageRecord(
      id: id, manifest: manifest, names: names, created: Timestamp(nanoseconds: created),
      size: layers.reduce(0) { $0 + $1.size }, architecture: architecture, os: os,
      variant: variant, comment: comment, config: config, layers: layers)
  }

  private static func layer(_ value: String, _ layersPath: String) -> Layer? {
    let parts = value.split(separator: " ")
    guard parts.count == 4, let diffID = Digest(hex: String(parts[0])),
      let chainID = Digest(hex: String(parts[1])), let blob = Digest(hex: String(parts[2])),
      let size = Int64(parts[3])
    else { return nil }
    return Layer(
      diffID: diffID, chainID: chainID, blob: blob, size: size,
      path: "\(layersPath)/\(chainID.hex)/diff")
  }
}
