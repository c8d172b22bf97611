import Linux

/// The config.json that `spec` writes: runc's, a shell in six namespaces with little rights.
public enum BundleTemplate {
  /// The document.
  ///
  /// - Parameter rootless: for the calling user alone: a user namespace in which it is root, no limits.
  public static func document(rootless: Bool) -> JSONValue {
    .object([
      (key: "ociVersion", value: .string(BundleFeatures.newestVersion)),
      (key: "process", value: process),
      (
        key: "root",
        value: .object([
          (key: "path", value: .string("rootfs")), (key: "readonly", value: .bool(true)),
        ])
      ),
      (key: "hostname", value: .string("minidock")),
      (key: "mounts", value: mounts(rootless)),
      (key: "linux", value: linux(rootless)),
    ])
  }

  private static var process: JSONValue {
    let capabilities = JSONValue.strings(["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"])
    return .object([
      (key: "terminal", value: .bool(true)),
      (
        key: "user",
        value: .object([(key: "uid", value: .number(0)), (key: "gid", value: .number(0))])
      ),
      (key: "args", value: .strings(["sh"])),
      (
        key: "env",
        value: .strings([
          "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm",
        ])
      ),
      (key: "cwd", value: .string("/")),
      (
        key: "capabilities",
        value: .object(
          ["bounding", "effective", "permitted"].map { (key: $0, value: capabilities) })
      ),
      (
        key: "rlimits",
        value: .array([
          .object([
            (key: "type", value: .string("RLIMIT_NOFILE")), (key: "hard", value: .number(1024)),
            (key: "soft", value: .number(1024)),
          ])
        ])
      ),
      (key: "noNewPrivileges", value: .bool(true)),
    ])
  }

  private static func mount(
    _ target: String, _ type: String, _ source: String, _ options: [String]
  ) -> JSONValue {
    .object([
      (key: "destination", value: .string(target)), (key: "type", value: .string(type)),
      (key: "source", value: .string(source)), (key: "options", value: .strings(options)),
    ])
  }

  private static func mounts(_ rootless: Bool) -> JSONValue {
    var list = [
      JSONValue.object([
        (key: "destination", value: .string("/proc")), (key: "type", value: .string("proc")),
        (key: "source", value: .string("proc")),
      ]),
      mount("/dev", "tmpfs", "tmpfs", ["nosuid", "strictatime", "mode=755", "size=65536k"]),
      mount(
        "/dev/pts", "devpts", "devpts",
        ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]
          + (rootless ? [] : ["gid=5"])),
      mount(
        "/dev/shm", "tmpfs", "shm", ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]),
      mount("/dev/mqueue", "mqueue", "mqueue", ["nosuid", "noexec", "nodev"]),
    ]
    if rootless {
      // The host's network namespace stays, and with it its /sys: read-only with the groups below it
      // (CVE-2023-25809, security row 11).
      list.append(mount("/sys", "none", "/sys", ["rbind", "rnosuid", "rnoexec", "rnodev", "rro"]))
    } else {
      list.append(mount("/sys", "sysfs", "sysfs", ["nosuid", "noexec", "nodev", "ro"]))
      list.append(
        mount(
          "/sys/fs/cgroup", "cgroup", "cgroup",
          ["nosuid", "noexec", "nodev", "relatime", "ro"]))
    }
    return .array(list)
  }

  private static func linux(_ rootless: Bool) -> JSONValue {
    let names =
      rootless
      ? ["pid", "ipc", "uts", "mount", "cgroup", "user"]
      : ["pid", "network", "ipc", "uts", "mount", "cgroup"]
    var members: [(key: String, value: JSONValue)] = []
    if rootless {
      for (key, id) in [
        ("uidMappings", ThisProcess.effectiveUser), ("gidMappings", ThisProcess.effectiveGroup),
      ] {
        let range = JSONValue.object([
          (key: "containerID", value: .number(0)), (key: "hostID", value: .number(Int64(id))),
          (key: "size", value: .number(1)),
        ])
        members.append((key: key, value: .array([range])))
      }
    } else {
      members.append(
        (
          key: "resources",
          value: .object([
            (
              key: "devices",
              value: .array([
                .object([
                  (key: "allow", value: .bool(false)), (key: "access", value: .string("rwm")),
                ])
              ])
            )
          ])
        ))
    }
    members.append(
      (
        key: "namespaces",
        value: .array(names.map { .object([(key: "type", value: .string($0))]) })
      ))
    members.append((key: "maskedPaths", value: .strings(Spec.defaultMaskedPaths)))
    members.append((key: "readonlyPaths", value: .strings(Spec.defaultReadonlyPaths)))
    return .object(members)
  }
}
