import Linux

/// What `features` prints (runtime-spec, "Features Structure"): what this build does, whatever the host.
public enum BundleFeatures {
  /// The oldest version of the specification that is read.
  public static let oldestVersion = "1.0.0"
  /// The newest one whose every property is done or refused.
  public static let newestVersion = "1.2.0"

  /// The document.
  public static var document: JSONValue {
    .object([
      (key: "ociVersionMin", value: .string(oldestVersion)),
      (key: "ociVersionMax", value: .string(newestVersion)),
      (key: "hooks", value: .strings(Spec.Hooks().points.map(\.name))),
      (key: "mountOptions", value: .strings(MountOptions.known)),
      (key: "linux", value: linux),
      (
        key: "annotations",
        value: .object([
          (
            key: "io.github.seccomp.libseccomp.version",
            value: .string(SeccompCompiler.libraryVersion)
          ),
          (key: "org.opencontainers.runc.checkpoint.enabled", value: .string("true")),
        ])
      ),
      // With --systemd-cgroup they are properties of the scope.
      (
        key: "potentiallyUnsafeConfigAnnotations",
        value: .strings([SystemdAnnotations.prefix])
      ),
    ])
  }

  private static var linux: JSONValue {
    func enabled(_ isEnabled: Bool) -> JSONValue {
      .object([(key: "enabled", value: .bool(isEnabled))])
    }
    return .object([
      (
        key: "namespaces",
        value: .strings(["cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"])
      ),
      (key: "capabilities", value: .strings(Capability.allCases.map(\.name))),
      (
        key: "cgroup",
        value: .object([
          (key: "v1", value: .bool(true)), (key: "v2", value: .bool(true)),
          (key: "systemd", value: .bool(true)), (key: "systemdUser", value: .bool(true)),
          (key: "rdma", value: .bool(true)),
        ])
      ),
      (key: "seccomp", value: seccomp),
      (key: "apparmor", value: enabled(true)), (key: "selinux", value: enabled(true)),
      (key: "intelRdt", value: enabled(false)), (key: "netDevices", value: enabled(true)),
      (
        key: "mountExtensions",
        value: .object([(key: "idmap", value: enabled(true))])
      ),
    ])
  }

  private static var seccomp: JSONValue {
    let flags = [
      "SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_SPEC_ALLOW", "SECCOMP_FILTER_FLAG_LOG",
      "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
    ]
    return .object([
      (key: "enabled", value: .bool(true)),
      (
        key: "actions",
        value: .strings([
          "SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", "SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS",
          "SCMP_ACT_KILL_THREAD", "SCMP_ACT_LOG", "SCMP_ACT_NOTIFY", "SCMP_ACT_TRACE",
          "SCMP_ACT_TRAP",
        ])
      ),
      (
        key: "operators",
        value: .strings([
          "SCMP_CMP_EQ", "SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_LE", "SCMP_CMP_LT",
          "SCMP_CMP_MASKED_EQ", "SCMP_CMP_NE",
        ])
      ),
      (key: "archs", value: .strings(SeccompNames.architectures)),
      (key: "knownFlags", value: .strings(flags)),
      (key: "supportedFlags", value: .strings(flags)),
    ])
  }
}
