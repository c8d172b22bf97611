import Linux
import Runtime

/// What a container may use of the host, in docker's words.
extension InspectDocument {
  static func hostConfig(_ record: ContainerRecord, _ options: RunOptions) -> JSONValue {
    .object(
      general(record, options) + network(options) + security(record, options)
        + resources(record, options))
  }

  private typealias Members = [(key: String, value: JSONValue)]

  // Docker shows some empty lists as null.
  private static func list(_ items: [String]) -> JSONValue {
    items.isEmpty ? .null : .strings(items)
  }

  private static func general(_ record: ContainerRecord, _ options: RunOptions) -> Members {
    [
      ("Binds", list(record.binds + namedVolumes(record))),
      ("ContainerIDFile", .string("")),
      (
        "LogConfig",
        .object([
          ("Type", .string(options.log.isOn ? "local" : "none")),
          (
            "Config",
            .object(
              options.log.isOn
                ? [
                  ("max-file", .string(String(options.log.maximumFiles))),
                  ("max-size", .string(String(options.log.maximumSize))),
                ] : [])
          ),
        ])
      ),
      ("NetworkMode", .string(record.network.name)),
      ("PortBindings", PortTexts.document(options.publish)),
      (
        "RestartPolicy",
        .object([
          ("Name", .string(options.restart.kind.rawValue)),
          ("MaximumRetryCount", .number(Int64(options.restart.maximumRetries))),
        ])
      ),
      ("AutoRemove", .bool(record.autoRemove)),
      ("VolumeDriver", .string("")),
      ("VolumesFrom", list(options.volumesFrom)),
    ]
  }

  private static func network(_ options: RunOptions) -> Members {
    [
      ("Dns", .strings(options.dns)),
      ("DnsOptions", .strings(options.dnsOptions)),
      ("DnsSearch", .strings(options.dnsSearch)),
      ("ExtraHosts", list(options.extraHosts)),
      ("Links", .null),
      ("PublishAllPorts", .bool(options.publishAll)),
    ]
  }

  private static func security(_ record: ContainerRecord, _ options: RunOptions) -> Members {
    var security: [String] = []
    if options.security.noNewPrivileges { security.append("no-new-privileges") }
    switch options.security.seccomp {
    case .standard: break
    case .unconfined: security.append("seccomp=unconfined")
    case .file(let path): security.append("seccomp=" + path)
    }
    return [
      ("CapAdd", list(record.capabilitiesAdded)),
      ("CapDrop", list(record.capabilitiesDropped)),
      ("CgroupnsMode", .string("private")),
      ("GroupAdd", list(options.groups)),
      ("IpcMode", .string("private")),
      ("PidMode", .string("")),
      ("UTSMode", .string("")),
      ("UsernsMode", .string("")),
      ("OomScoreAdj", .number(Int64(options.oomScoreAdjust ?? 0))),
      ("Privileged", .bool(record.privileged)),
      ("ReadonlyRootfs", .bool(record.readOnly)),
      ("SecurityOpt", list(security)),
      (
        "Sysctls",
        .object(
          options.sysctls.sorted { $0.key < $1.key }.map { ($0.key, .string($0.value)) })
      ),
      ("Tmpfs", .object(tmpfs(options))),
      ("ShmSize", .number(record.shmSize)),
      ("Runtime", .string("minidock")),
      ("Init", .bool(record.usesInit)),
      ("MaskedPaths", record.privileged ? .null : .strings(Spec.defaultMaskedPaths)),
      ("ReadonlyPaths", record.privileged ? .null : .strings(Spec.defaultReadonlyPaths)),
    ]
  }

  private static func tmpfs(_ options: RunOptions) -> Members {
    options.mounts.filter { $0.kind == .tmpfs }.map {
      ($0.target, .string($0.options.joined(separator: ",")))
    }
  }

  private static func resources(_ record: ContainerRecord, _ options: RunOptions) -> Members {
    let (cpu, memory) = (options.resources.cpu, options.resources.memory)
    return [
      ("CpuShares", .number(Int64(clamping: record.cpuShares))),
      ("Memory", .number(record.memory)),
      ("NanoCpus", .number(record.nanoCPUs)),
      ("CgroupParent", .string(options.cgroupParent ?? "")),
      ("BlkioWeight", .number(Int64(options.resources.blockIO?.weight ?? 0))),
      ("CpuPeriod", .number(Int64(clamping: cpu?.period ?? 0))),
      ("CpuQuota", .number(cpu?.quota ?? 0)),
      ("CpusetCpus", .string(record.cpusetCPUs)),
      ("CpusetMems", .string(cpu?.mems ?? "")),
      (
        "Devices",
        .array(
          options.devices.map {
            .object([
              ("PathOnHost", .string($0.source)), ("PathInContainer", .string($0.target)),
              ("CgroupPermissions", .string($0.access)),
            ])
          })
      ),
      ("MemoryReservation", .number(record.memoryReservation)),
      ("MemorySwap", .number(record.memorySwap)),
      ("OomKillDisable", .bool(memory?.disableOOMKiller ?? false)),
      ("PidsLimit", record.pidsLimit == 0 ? .null : .number(record.pidsLimit)),
      ("Ulimits", .array(options.limits.map(ulimit))),
      ("CgroupPath", .string(record.cgroupPath)),
    ]
  }

  private static func ulimit(_ limit: Spec.Rlimit) -> JSONValue {
    // Docker's name has no prefix, and no limit is -1.
    func number(_ value: UInt64) -> JSONValue {
      .number(value == UInt64.max ? -1 : Int64(clamping: value))
    }
    let name = limit.type.hasPrefix("RLIMIT_") ? String(limit.type.dropFirst(7)) : limit.type
    return .object([
      ("Name", .string(name.lowercased())), ("Hard", number(limit.hard)),
      ("Soft", number(limit.soft)),
    ])
  }

  // Docker lists volumes that have a name beside the host's paths.
  private static func namedVolumes(_ record: ContainerRecord) -> [String] {
    record.mountedVolumes.filter { !$0.isAnonymous }.map {
      "\($0.name):\($0.target)" + ($0.isReadOnly ? ":ro" : "")
    }
  }
}
