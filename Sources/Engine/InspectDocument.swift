import Image
import Linux

/// `docker inspect`'s documents: the same paths, for what minidock has.
public enum InspectDocument {
  /// A container's.
  public static func container(
    _ record: ContainerRecord, _ state: ContainerState, installation: Installation
  ) -> JSONValue {
    let directory = ContainerStore(installation).directory(record.id)
    return .object([
      ("Id", .string(record.id)),
      ("Created", .string(record.created.description)),
      ("Path", .string(record.command.first ?? "")),
      ("Args", .strings(Array(record.command.dropFirst()))),
      ("State", self.state(state)),
      ("Image", .string(record.imageID)),
      ("ResolvConfPath", .string(directory + "/resolv.conf")),
      ("HostnamePath", .string(directory + "/hostname")),
      ("HostsPath", .string(directory + "/hosts")),
      ("LogPath", .string("")),
      ("Name", .string("/" + record.name)),
      ("RestartCount", .number(0)),
      ("Driver", .string("overlay2")),
      ("Platform", .string("linux")),
      ("HostConfig", hostConfig(record)),
      (
        "GraphDriver",
        .object([
          ("Data", .object([("UpperDir", .string(directory + "/upper"))])),
          ("Name", .string("overlay2")),
        ])
      ),
      ("Mounts", mounts(record, installation)),
      ("Config", config(record)),
      ("NetworkSettings", network(record, state)),
    ])
  }

  private static func state(_ state: ContainerState) -> JSONValue {
    .object([
      ("Status", .string(state.status.rawValue)),
      ("Running", .bool(state.status.isActive)),
      ("Paused", .bool(state.status == .paused)),
      ("Restarting", .bool(false)),
      ("OOMKilled", .bool(state.oomKilled)),
      ("Dead", .bool(false)),
      ("Pid", .number(Int64(state.process?.pid ?? 0))),
      ("ExitCode", .number(Int64(state.exitCode))),
      ("Error", .string(state.error)),
      ("StartedAt", .string(time(state.started))),
      ("FinishedAt", .string(time(state.finished))),
    ])
  }

  // Docker's zero time stands for "not yet".
  private static func time(_ moment: Timestamp?) -> String {
    moment?.description ?? "0001-01-01T00:00:00Z"
  }

  // Docker lists volumes that have a name beside the host's paths.
  private static func binds(_ record: ContainerRecord) -> JSONValue {
    let volumes = record.mountedVolumes.filter { !$0.isAnonymous }.map {
      "\($0.name):\($0.target)" + ($0.isReadOnly ? ":ro" : "")
    }
    let all = record.binds + volumes
    return all.isEmpty ? .null : .strings(all)
  }

  private static func hostConfig(_ record: ContainerRecord) -> JSONValue {
    .object([
      ("Binds", binds(record)),
      ("NetworkMode", .string(record.network.name)),
      (
        "RestartPolicy",
        .object([("Name", .string("no")), ("MaximumRetryCount", .number(0))])
      ),
      ("AutoRemove", .bool(record.autoRemove)),
      ("CapAdd", record.capabilitiesAdded.isEmpty ? .null : .strings(record.capabilitiesAdded)),
      (
        "CapDrop",
        record.capabilitiesDropped.isEmpty ? .null : .strings(record.capabilitiesDropped)
      ),
      ("Privileged", .bool(record.privileged)),
      ("ReadonlyRootfs", .bool(record.readOnly)),
      ("Tmpfs", .object(record.tmpfs.map { ($0, .string("")) })),
      ("ShmSize", .number(record.shmSize)),
      ("Init", .bool(record.usesInit)),
      ("CpuShares", .number(Int64(clamping: record.cpuShares))),
      ("Memory", .number(record.memory)),
      ("NanoCpus", .number(record.nanoCPUs)),
      ("CpusetCpus", .string(record.cpusetCPUs)),
      ("MemoryReservation", .number(record.memoryReservation)),
      ("MemorySwap", .number(record.memorySwap)),
      ("PidsLimit", record.pidsLimit == 0 ? .null : .number(record.pidsLimit)),
      ("CgroupPath", .string(record.cgroupPath)),
    ])
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

  private static func config(_ record: ContainerRecord) -> JSONValue {
    let entrypoint = Array(record.command.prefix(record.entrypointCount))
    return .object([
      ("Hostname", .string(record.hostname)),
      ("User", .string(record.user)),
      ("Tty", .bool(record.terminal)),
      ("OpenStdin", .bool(record.interactive)),
      ("Env", .strings(record.environment)),
      ("Cmd", .strings(Array(record.command.dropFirst(record.entrypointCount)))),
      ("Image", .string(record.image)),
      ("WorkingDir", .string(record.workingDirectory)),
      ("Entrypoint", entrypoint.isEmpty ? .null : .strings(entrypoint)),
      ("Labels", .object(record.labels.map { ($0.key, .string($0.value)) })),
      ("StopSignal", .string(record.stopSignal)),
    ])
  }

  private static func network(_ record: ContainerRecord, _ state: ContainerState) -> JSONValue {
    let endpoint: JSONValue = .object([
      ("MacAddress", .string(state.macAddress ?? "")),
      ("Gateway", .string(state.gateway ?? "")),
      ("IPAddress", .string(state.address ?? "")),
      ("IPPrefixLen", .number(Int64(state.prefixLength ?? 0))),
    ])
    return .object([
      ("Ports", .object([])),
      ("Gateway", .string(state.gateway ?? "")),
      ("IPAddress", .string(state.address ?? "")),
      ("IPPrefixLen", .number(Int64(state.prefixLength ?? 0))),
      ("MacAddress", .string(state.macAddress ?? "")),
      ("Networks", .object([(record.network.name, endpoint)])),
    ])
  }

  /// An image's.
  public static func image(_ image: ImageRecord) -> JSONValue {
    let config = image.config
    return .object([
      ("Id", .string(image.id.description)),
      ("RepoTags", .strings(image.names.map(\.familiar))),
      ("RepoDigests", .array([])),
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
