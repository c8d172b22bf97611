import FoundationEssentials
import Linux

/// The OCI documents of an image (image-spec manifest.md and config.md), as far as minidock writes and
/// reads them. Only import and repair come here: no JSON is on the way of a `run`.
enum OCIDocuments {
  static let manifestType = "application/vnd.oci.image.manifest.v1+json"
  static let configType = "application/vnd.oci.image.config.v1+json"
  static let layerType = "application/vnd.oci.image.layer.v1.tar"
  /// Row 22: no document may be larger.
  static let limit = 4 << 20

  struct Manifest: Codable {
    var schemaVersion = 2
    var mediaType: String? = manifestType
    var config: Descriptor
    var layers: [Descriptor]
  }

  struct Descriptor: Codable {
    var mediaType: String
    var digest: String
    var size: Int64
    var annotations: [String: String]?
    var platform: Platform?

    /// A layer's descriptor under OCI's name of its media type: OCI manifests have no docker's.
    var inOCI: Descriptor {
      var copy = self
      if let type = LayerType(mediaType) { copy.mediaType = type.mediaType }
      return copy
    }
  }

  struct Platform: Codable {
    var architecture: String
    var os: String
    var variant: String?
  }

  struct Config: Codable {
    var created: String?
    var author: String?
    var architecture: String
    var os: String
    var variant: String?
    var config: Run?
    var rootfs: RootFS
    var history: [History]?
  }

  struct RootFS: Codable {
    var type = "layers"
    var diffIDs: [String]
    enum CodingKeys: String, CodingKey {
      case type
      case diffIDs = "diff_ids"
    }
  }

  struct History: Codable {
    var created: String?
    var createdBy: String?
    var author: String?
    var comment: String?
    var emptyLayer: Bool?
    enum CodingKeys: String, CodingKey {
      case created, author, comment
      case createdBy = "created_by"
      case emptyLayer = "empty_layer"
    }
  }

  struct Empty: Codable {}

  struct Run: Codable {
    var user: String?
    var exposedPorts: [String: Empty]?
    var env: [String]?
    var entrypoint: [String]?
    var cmd: [String]?
    var volumes: [String: Empty]?
    var workingDir: String?
    var labels: [String: String]?
    var stopSignal: String?
    var healthcheck: Healthcheck?
    enum CodingKeys: String, CodingKey {
      case user = "User"
      case exposedPorts = "ExposedPorts"
      case env = "Env"
      case entrypoint = "Entrypoint"
      case cmd = "Cmd"
      case volumes = "Volumes"
      case workingDir = "WorkingDir"
      case labels = "Labels"
      case stopSignal = "StopSignal"
      case healthcheck = "Healthcheck"
    }

    init(_ config: ImageConfig) {
      func some<List: Collection>(_ list: List) -> List? { list.isEmpty ? nil : list }
      func keys(_ list: [String]) -> [String: Empty]? {
        list.isEmpty ? nil : Dictionary(list.map { ($0, Empty()) }) { first, _ in first }
      }
      user = some(config.user)
      exposedPorts = keys(config.exposedPorts)
      env = some(config.env)
      entrypoint = some(config.entrypoint)
      cmd = some(config.cmd)
      volumes = keys(config.volumes)
      workingDir = some(config.workingDir)
      labels = some(config.labels)
      stopSignal = config.stopSignal
      healthcheck = config.healthcheck
    }

    var imageConfig: ImageConfig {
      ImageConfig(
        env: env ?? [], cmd: cmd ?? [], entrypoint: entrypoint ?? [], user: user ?? "",
        workingDir: workingDir ?? "", labels: labels ?? [:],
        volumes: (volumes ?? [:]).keys.sorted(), exposedPorts: (exposedPorts ?? [:]).keys.sorted(),
        stopSignal: stopSignal, healthcheck: healthcheck)
    }
  }

  /// The same document always gives the same bytes, hence the same digest.
  static func encode(_ document: some Encodable, _ object: String) throws(Failure) -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    do {
      return [UInt8](try encoder.encode(document))
    } catch {
      throw Failure(.invalid, "encode", object, reason: "\(error)")
    }
  }

  static func decode<Document: Decodable>(
    _: Document.Type, _ bytes: [UInt8], _ object: String
  ) throws(Failure) -> Document {
    do {
      return try JSONDecoder().decode(Document.self, from: Data(bytes))
    } catch {
      throw Failure(.corrupt, "decode", object, reason: "it is no such OCI document")
    }
  }
}

/// The platform that this build of minidock runs on, in OCI's words.
enum Platform {
  static let os = "linux"
  #if arch(x86_64)
    static let architecture = "amd64"
    static let variant = ""
  #elseif arch(arm64)
    static let architecture = "arm64"
    static let variant = "v8"
  #else
    static let architecture = "unknown"
    static let variant = ""
  #endif
}
