/// What a container gets unless something else is asked for: docker's and the OCI's defaults.
extension Spec {
  /// The file systems of every container, in the order of mounting.
  ///
  /// - Parameters:
  ///   - shmSize: bytes of /dev/shm.
  ///   - privileged: /sys and the cgroups writable.
  public static func defaultMounts(shmSize: Int64, privileged: Bool) -> [Mount] {
    let access = privileged ? "rw" : "ro"
    return [
      Mount(
        destination: "/proc", type: "proc", source: "proc", options: ["nosuid", "noexec", "nodev"]),
      Mount(
        destination: "/dev", type: "tmpfs", source: "tmpfs",
        options: ["nosuid", "strictatime", "mode=755", "size=65536k"]),
      Mount(
        destination: "/dev/pts", type: "devpts", source: "devpts",
        options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]),
      Mount(
        destination: "/sys", type: "sysfs", source: "sysfs",
        options: ["nosuid", "noexec", "nodev", access]),
      Mount(
        destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup",
        options: ["nosuid", "noexec", "nodev", access]),
      Mount(
        destination: "/dev/mqueue", type: "mqueue", source: "mqueue",
        options: ["nosuid", "noexec", "nodev"]),
      Mount(
        destination: "/dev/shm", type: "tmpfs", source: "shm",
        options: ["nosuid", "noexec", "nodev", "mode=1777", "size=\(shmSize)"]),
    ]
  }

  /// Paths hidden from a container that is not privileged (docker's list; security row 37).
  public static let defaultMaskedPaths = [
    "/proc/asound", "/proc/acpi", "/proc/interrupts", "/proc/kcore", "/proc/keys",
    "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug",
    "/proc/scsi", "/sys/firmware", "/sys/devices/virtual/powercap",
  ]

  /// Paths that a container that is not privileged can only read.
  public static let defaultReadonlyPaths = [
    "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger",
  ]
}
