/// Limits on a group of processes: the `linux.resources` object of OCI runtime-spec 1.2, key for key.
/// Everything is optional; what is nil is neither set nor changed.
public struct Resources: Sendable, Equatable {
  /// Which devices may be used; nil leaves all allowed.
  public var devices: [DeviceRule]?
  /// Memory and swap.
  public var memory: Memory?
  /// CPU time and placement.
  public var cpu: CPU?
  /// Number of tasks.
  public var pids: Pids?
  /// Block device bandwidth.
  public var blockIO: BlockIO?
  /// Huge pages by size.
  public var hugepageLimits: [HugepageLimit]?
  /// Marks and priorities of packets.
  public var network: Network?
  /// RDMA handles and objects by device.
  public var rdma: [String: RDMA]?
  /// cgroup v2 files and the values to write into them.
  public var unified: [String: String]?

  /// No limits at all.
  public init() {}

  /// Memory limits in bytes; -1 is unlimited.
  public struct Memory: Sendable, Equatable {
    /// The limit.
    public var limit: Int64?
    /// What the group keeps when memory is short.
    public var reservation: Int64?
    /// Memory and swap together, as docker's `--memory-swap`; -1 is unlimited.
    public var swap: Int64?
    /// Without effect since Linux 5.16.
    public var kernel: Int64?
    /// Buffers of TCP sockets (v1).
    public var kernelTCP: Int64?
    /// 0...100.
    public var swappiness: UInt64?
    /// Lets processes wait instead of killing one (v1).
    public var disableOOMKiller: Bool?
    /// Always so on present kernels.
    public var useHierarchy: Bool?
    /// Refuses a limit below the present usage instead of letting the kernel kill.
    public var checkBeforeUpdate: Bool?

    /// Limits by value.
    public init(limit: Int64? = nil, reservation: Int64? = nil, swap: Int64? = nil) {
      self.limit = limit
      self.reservation = reservation
      self.swap = swap
    }
  }

  /// CPU time, in the units of cgroup v1: shares 2...262144, quota and period in microseconds.
  public struct CPU: Sendable, Equatable {
    /// The weight against other groups; 1024 is the kernel's default.
    public var shares: UInt64?
    /// Microseconds of CPU time in each period; -1 is unlimited.
    public var quota: Int64?
    /// Microseconds of unused quota that may be saved up.
    public var burst: UInt64?
    /// Microseconds, 1000...1000000.
    public var period: UInt64?
    /// Microseconds of real-time scheduling in each real-time period (v1).
    public var realtimeRuntime: Int64?
    /// Microseconds (v1).
    public var realtimePeriod: UInt64?
    /// A list such as "0-2,7".
    public var cpus: String?
    /// Memory nodes, as ``cpus``.
    public var mems: String?
    /// 1: runs only when nothing else wants to.
    public var idle: Int64?

    /// Limits by value.
    public init(
      shares: UInt64? = nil, quota: Int64? = nil, period: UInt64? = nil, cpus: String? = nil,
      mems: String? = nil
    ) {
      self.shares = shares
      self.quota = quota
      self.period = period
      self.cpus = cpus
      self.mems = mems
    }

    /// docker's `--cpus`: quota and period of a number of CPUs, in billionths of one CPU.
    public init(nanoCPUs: Int64) {
      let period: Int64 = 100_000
      self.init(quota: nanoCPUs * period / 1_000_000_000, period: UInt64(period))
    }

    var setsTime: Bool {
      shares != nil || quota != nil || burst != nil || period != nil || idle != nil
        || setsRealtime
    }
    var setsRealtime: Bool { realtimeRuntime != nil || realtimePeriod != nil }
    var setsPlacement: Bool { !(cpus ?? "").isEmpty || !(mems ?? "").isEmpty }
  }

  /// The number of tasks; zero or less is unlimited.
  public struct Pids: Sendable, Equatable {
    /// The limit.
    public var limit: Int64?

    /// A limit by value.
    public init(limit: Int64? = nil) { self.limit = limit }
  }

  /// Block device bandwidth.
  public struct BlockIO: Sendable, Equatable {
    /// 10...1000.
    public var weight: UInt16?
    /// Weight against groups below (v1).
    public var leafWeight: UInt16?
    /// Weights for single devices.
    public var weightDevice: [WeightDevice]?
    /// Bytes read a second.
    public var throttleReadBpsDevice: [ThrottleDevice]?
    /// Bytes written a second.
    public var throttleWriteBpsDevice: [ThrottleDevice]?
    /// Reads a second.
    public var throttleReadIOPSDevice: [ThrottleDevice]?
    /// Writes a second.
    public var throttleWriteIOPSDevice: [ThrottleDevice]?

    /// A weight by value.
    public init(weight: UInt16? = nil) { self.weight = weight }
  }

  /// A weight for one block device.
  public struct WeightDevice: Sendable, Equatable {
    /// Major device number.
    public var major: Int64
    /// Minor device number.
    public var minor: Int64
    /// 10...1000.
    public var weight: UInt16?
    /// Weight against groups below (v1).
    public var leafWeight: UInt16?

    /// A weight by value.
    public init(major: Int64, minor: Int64, weight: UInt16? = nil) {
      self.major = major
      self.minor = minor
      self.weight = weight
    }
  }

  /// A rate, in bytes or operations a second, for one block device.
  public struct ThrottleDevice: Sendable, Equatable {
    /// Major device number.
    public var major: Int64
    /// Minor device number.
    public var minor: Int64
    /// Bytes or operations a second; 0 is unlimited.
    public var rate: UInt64

    /// A rate by value.
    public init(major: Int64, minor: Int64, rate: UInt64) {
      self.major = major
      self.minor = minor
      self.rate = rate
    }
  }

  /// A limit in bytes for huge pages of one size ("2MB", "1GB").
  public struct HugepageLimit: Sendable, Equatable {
    /// "2MB", "1GB".
    public var pageSize: String
    /// The limit.
    public var limit: UInt64

    /// A limit by value.
    public init(pageSize: String, limit: UInt64) {
      self.pageSize = pageSize
      self.limit = limit
    }
  }

  /// Marks and priorities of network packets (cgroup v1 only).
  public struct Network: Sendable, Equatable {
    /// The number tc filters match.
    public var classID: UInt32?
    /// Priorities by interface.
    public var priorities: [Priority]?

    /// The priority on one interface.
    public struct Priority: Sendable, Equatable {
      /// The interface.
      public var name: String
      /// The higher the sooner.
      public var priority: UInt32
    }
  }

  /// Limits of one RDMA device.
  public struct RDMA: Sendable, Equatable {
    /// Number of handles.
    public var hcaHandles: UInt32?
    /// Number of objects.
    public var hcaObjects: UInt32?
  }
}
