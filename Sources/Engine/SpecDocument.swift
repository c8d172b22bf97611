import Linux
import Runtime

extension Spec {
  /// The specification as config.json, member by member in the specification's order.
  ///
  /// Written by hand because it is written at every start: JSONEncoder takes more than a millisecond for
  /// it, ten times as much. A test decodes it again and compares.
  var document: JSONValue {
    .members([
      ("ociVersion", .string(ociVersion)),
      (
        "root",
        root.map { .members([("path", .string($0.path)), ("readonly", .flag($0.readonly))]) }
      ),
      ("hostname", hostname.map { .string($0) }),
      ("domainname", domainname.map { .string($0) }),
      ("mounts", mounts.map { .array($0.map(\.document)) }),
      ("process", process?.document),
      ("annotations", annotations.map { .map($0) }),
      ("linux", linux?.document),
    ])
  }
}

extension Spec.Mount {
  fileprivate var document: JSONValue {
    .members([
      ("destination", .string(destination)),
      ("type", type.map { .string($0) }),
      ("source", source.map { .string($0) }),
      ("options", options.map { .strings($0) }),
    ])
  }
}

extension Spec.Process {
  fileprivate var document: JSONValue {
    .members([
      ("terminal", .flag(terminal)),
      (
        "consoleSize",
        consoleSize.map {
          .members([
            ("height", .number(Int64($0.height))), ("width", .number(Int64($0.width))),
          ])
        }
      ),
      ("cwd", .string(cwd)),
      ("env", env.map { .strings($0) }),
      ("args", args.map { .strings($0) }),
      (
        "rlimits",
        rlimits.map { list in
          .array(
            list.map {
              .members([
                ("type", .string($0.type)), ("hard", .unsigned($0.hard)),
                ("soft", .unsigned($0.soft)),
              ])
            })
        }
      ),
      (
        "capabilities",
        capabilities.map {
          .members([
            ("bounding", $0.bounding.map { .strings($0) }),
            ("effective", $0.effective.map { .strings($0) }),
            ("inheritable", $0.inheritable.map { .strings($0) }),
            ("permitted", $0.permitted.map { .strings($0) }),
            ("ambient", $0.ambient.map { .strings($0) }),
          ])
        }
      ),
      ("noNewPrivileges", .flag(noNewPrivileges)),
      ("oomScoreAdj", oomScoreAdj.map { .number(Int64($0)) }),
      (
        "user",
        .members([
          ("uid", .number(Int64(user.uid))), ("gid", .number(Int64(user.gid))),
          ("umask", user.umask.map { .number(Int64($0)) }),
          (
            "additionalGids", user.additionalGids.map { .array($0.map { .number(Int64($0)) }) }
          ),
        ])
      ),
    ])
  }
}

extension Spec.Linux {
  fileprivate var document: JSONValue {
    .members([
      (
        "namespaces",
        namespaces.map { list in
          .array(
            list.map {
              .members([("type", .string($0.type)), ("path", $0.path.map { .string($0) })])
            })
        }
      ),
      ("devices", devices.map { .array($0.map(\.document)) }),
      ("cgroupsPath", cgroupsPath.map { .string($0) }),
      ("resources", resources?.document),
      ("rootfsPropagation", rootfsPropagation.map { .string($0) }),
      ("sysctl", sysctl.map { .map($0) }),
      ("maskedPaths", maskedPaths.map { .strings($0) }),
      ("readonlyPaths", readonlyPaths.map { .strings($0) }),
    ])
  }
}

extension Spec.Device {
  fileprivate var document: JSONValue {
    .members([
      ("type", .string(type)), ("path", .string(path)), ("major", major.map { .number($0) }),
      ("minor", minor.map { .number($0) }), ("fileMode", fileMode.map { .number(Int64($0)) }),
      ("uid", uid.map { .number(Int64($0)) }), ("gid", gid.map { .number(Int64($0)) }),
    ])
  }
}

extension Resources {
  // What `run` can ask for; the rest of the object comes with bundles made by others.
  fileprivate var document: JSONValue {
    .members([
      (
        "devices",
        devices.map { list in
          .array(
            list.map {
              .members([
                ("allow", .bool($0.allow)), ("type", $0.type.map { .string($0) }),
                ("major", $0.major.map { .number($0) }), ("minor", $0.minor.map { .number($0) }),
                ("access", $0.access.map { .string($0) }),
              ])
            })
        }
      ),
      (
        "memory",
        memory.map {
          .members([
            ("limit", $0.limit.map { .number($0) }),
            ("reservation", $0.reservation.map { .number($0) }),
            ("swap", $0.swap.map { .number($0) }),
            ("disableOOMKiller", .flag($0.disableOOMKiller)),
          ])
        }
      ),
      (
        "cpu",
        cpu.map {
          .members([
            ("shares", $0.shares.map { .unsigned($0) }), ("quota", $0.quota.map { .number($0) }),
            ("period", $0.period.map { .unsigned($0) }), ("cpus", $0.cpus.map { .string($0) }),
            ("mems", $0.mems.map { .string($0) }),
          ])
        }
      ),
      ("pids", pids.map { .members([("limit", $0.limit.map { .number($0) })]) }),
      (
        "blockIO",
        blockIO.map { .members([("weight", $0.weight.map { .number(Int64($0)) })]) }
      ),
    ])
  }
}

extension JSONValue {
  /// An object of the members that have a value.
  fileprivate static func members(_ list: [(String, JSONValue?)]) -> JSONValue {
    .object(list.compactMap { name, value in value.map { (name, $0) } })
  }

  fileprivate static func flag(_ value: Bool?) -> JSONValue? { value.map { .bool($0) } }

  fileprivate static func map(_ values: [String: String]) -> JSONValue {
    .object(values.sorted { $0.key < $1.key }.map { ($0.key, .string($0.value)) })
  }
}
