import Linux

/// A Linux capability by its kernel number (capabilities(7), linux/capability.h).
public enum Capability: UInt8, Sendable, CaseIterable {
  case chown, dacOverride, dacReadSearch, fowner, fsetid, kill, setgid, setuid, setpcap
  case linuxImmutable, netBindService, netBroadcast, netAdmin, netRaw, ipcLock, ipcOwner
  case sysModule, sysRawio, sysChroot, sysPtrace, sysPacct, sysAdmin, sysBoot, sysNice
  case sysResource, sysTime, sysTTYConfig, mknod, lease, auditWrite, auditControl, setfcap
  case macOverride, macAdmin, syslog, wakeAlarm, blockSuspend, auditRead, perfmon, bpf
  case checkpointRestore

  /// The names without "CAP_", in the order of their numbers.
  private static let names = [
    "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID",
    "SETPCAP", "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW",
    "IPC_LOCK", "IPC_OWNER", "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT",
    "SYS_ADMIN", "SYS_BOOT", "SYS_NICE", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD",
    "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP", "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG",
    "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF", "CHECKPOINT_RESTORE",
  ]

  /// The OCI name: "CAP_CHOWN".
  public var name: String { "CAP_" + Capability.names[Int(rawValue)] }

  /// The capability called `text`, with or without "CAP_", in any case, as docker takes it.
  ///
  /// - Throws: ``Failure/Code/invalid`` for a name that is none: a capability is never dropped silently.
  public init(_ text: String) throws(Failure) {
    var name = text.uppercased()
    if name.hasPrefix("CAP_") { name.removeFirst(4) }
    guard let index = Capability.names.firstIndex(of: name) else {
      throw Failure(
        .invalid, "use capability", "\"\(text)\"", reason: "there is no such capability",
        remedy: "names are like NET_ADMIN or CAP_NET_ADMIN; capabilities(7) lists them")
    }
    self.init(rawValue: UInt8(index))!
  }

  /// The bit of this capability in the kernel's masks.
  public var mask: UInt64 { 1 << UInt64(rawValue) }
}
