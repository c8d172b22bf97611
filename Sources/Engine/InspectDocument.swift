import Image
import Linux

/// `docker inspect`'s documents: the same paths, for what minidock has.
public enum InspectDocument {
  /// A container's.
  ///
  /// - Parameter withSize: SizeRw and SizeRootFs as well, for which every file that it has written is
  ///   looked at.
  public static func container(
    _ record: ContainerRecord, _ state: ContainerState, installation: Installation,
    withSize: Bool = false
  ) -> JSONValue {
    let store = ContainerStore(installation)
    let directory = store.directory(record.id)
    let options = store.options(of: record)
    let image = (try? installation.imageStore().find(record.imageID)) ?? nil
    var state = state
    // Docker tells of the last run's tests too.
    if record.hasHealthTest { state.health = store.health(of: record.id) }
    let written = withSize ? ContainerSize.written(record, in: installation) : 0
    let sizes: [(key: String, value: JSONValue)] = [
      ("SizeRw", .number(written)), ("SizeRootFs", .number(written + (image?.size ?? 0))),
    ]
    let members: [(key: String, value: JSONValue)] = [
      ("Id", .string(record.id)),
      ("Created", .string(record.created.description)),
      ("Path", .string(record.command.first ?? "")),
      ("Args", .strings(Array(record.command.dropFirst()))),
      ("State", self.state(state)),
      ("Image", .string(record.imageID)),
      ("ResolvConfPath", .string(directory + "/resolv.conf")),
      ("HostnamePath", .string(directory + "/hostname")),
      ("HostsPath", .string(directory + "/hosts")),
      ("LogPath", .string(logPath(directory))),
      ("Name", .string("/" + record.name)),
      ("RestartCount", .number(Int64(state.restarts))),
      ("Driver", .string("overlay2")),
      ("Platform", .string("linux")),
      ("MountLabel", .string("")),
      ("ProcessLabel", .string("")),
      ("AppArmorProfile", .string("")),
      ("ExecIDs", .null),
      ("HostConfig", hostConfig(record, options)),
      ("GraphDriver", graphDriver(directory, image)),
      ("Mounts", mounts(record, installation)),
      ("Config", config(record, options, image)),
      ("NetworkSettings", network(record, state, installation)),
    ]
    return .object(members + (withSize ? sizes : []))
  }

  private static func mounts(
    _ record: ContainerRecord, _ installation: Installation
  ) -> JSONValue {
    let volumes = record.mountedVolumes.map { volume -> JSONValue in
      .object([
        ("Type", .string("volume")),
        ("Name", .string(volume.name)),
        ("Source", .string(VolumeStore(installation).data(volume.name))),
        ("Destination", .string(volume.target)),
        ("Driver", .string(VolumeRecord.driver)),
        ("Mode", .string(volume.isReadOnly ? "ro" : "")),
        ("RW", .bool(!volume.isReadOnly)),
        ("Propagation", .string("")),
      ])
    }
    let binds = record.binds.map { bind -> JSONValue in
      let parts = bind.split(separator: ":").map(String.init)
      let isReadOnly = parts.last == "ro"
      return .object([
        ("Type", .string("bind")),
        ("Source", .string(parts[0])),
        ("Destination", .string(parts.count > 1 ? parts[1] : "")),
        ("Mode", .string(isReadOnly ? "ro" : "")),
        ("RW", .bool(!isReadOnly)),
        ("Propagation", .string("rprivate")),
      ])
    }
    let tmpfs = record.tmpfs.map { target -> JSONValue in
      .object([("Type", .string("tmpfs")), ("Destination", .string(target)), ("RW", .bool(true))])
    }
    return .array(binds + volumes + tmpfs)
  }

  /// An image's.
  ///
  /// - Parameter digestNames: the names by digest under which registries have it.
  public static func image(_ image: ImageRecord, digestNames: [Reference]) -> JSONValue {
    let config = image.config
    return .object([
      ("Id", .string(image.id.description)),
      ("RepoTags", .strings(image.names.map(\.familiar))),
      ("RepoDigests", .strings(digestNames.map(\.familiar))),
      ("Comment", .string(image.comment)),
      ("Created", .string(image.created.description)),
      (
        "Config",
        .object([
          ("User", .string(config.user)),
          ("ExposedPorts", .object(config.exposedPorts.map { ($0, .object([])) })),
          ("Env", .strings(config.env)),
          ("Cmd", .strings(config.cmd)),
          ("Volumes", .object(config.volumes.map { ($0, .object([])) })),
          ("WorkingDir", .string(config.workingDir)),
          ("Entrypoint", config.entrypoint.isEmpty ? .null : .strings(config.entrypoint)),
          (
            "Labels",
            .object(config.labels.sorted { $0.key < $1.key }.map { ($0.key, .string($0.value)) })
          ),
          ("StopSignal", .string(config.stopSignal ?? "")),
        ])
      ),
      ("Architecture", .string(image.architecture)),
      ("Variant", .string(image.variant)),
      ("Os", .string(image.os)),
      ("Size", .number(image.size)),
      ("Descriptor", .object([("digest", .string(image.manifest.description))])),
      (
        "RootFS",
        .object([
          ("Type", .string("layers")),
          ("Layers", .strings(image.layers.map { $0.diffID.description })),
        ])
      ),
    ])
  }
}
