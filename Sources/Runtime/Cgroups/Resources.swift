/// Limits on a group of processes: the `linux.resources` object of OCI runtime-spec 1.2, key for key.
/// Everything is optional; what is nil is neither set nor changed.
public struct Resources: Sendable, Equatable, Codable {
  public var devices: [DeviceRule]?
  public var memory: Memory?
  public var cpu: CPU?
  public var pids: Pids?
  public var blockIO: BlockIO?
  public var hugepageLimits: [HugepageLimit]?
  public var network: Network?
  public var rdma: [String: RDMA]?
  /// cgroup v2 files and the values to write into them.
  public var unified: [String: String]?

  /// No limits at all.
  public init() {}

  /// Memory limits in bytes; -1 is unlimited.
  public struct Memory: Sendable, Equatable, Codable {
    public var limit: Int64?
    public var reservation: Int64?
    /// Memory and swap together, as docker's `--memory-swap`; -1 is unlimited.
    public var swap: Int64?
    public var kernel: Int64?
    public var kernelTCP: Int64?
    /// 0...100.
    public var swappiness: UInt64?
    public var disableOOMKiller: Bool?
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
  public struct CPU: Sendable, Equatable, Codable {
    public var shares: UInt64?
    /// Microseconds of CPU time in each period; -1 is unlimited.
    public var quota: Int64?
    public var burst: UInt64?
    public var period: UInt64?
    public var realtimeRuntime: Int64?
    public var realtimePeriod: UInt64?
    /// A list such as "0-2,7".
    public var cpus: String?
    /// Memory nodes, as ``cpus``.
    public var mems: String?
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
  public struct Pids: Sendable, Equatable, Codable {
    public var limit: Int64?

    /// A limit by value.
    public init(limit: Int64? = nil) { self.limit = limit }
  }

  /// Block device bandwidth.
  public struct BlockIO: Sendable, Equatable, Codable {
    /// 10...1000.
    public var weight: UInt16?
    public var leafWeight: UInt16?
    public var weightDevice: [WeightDevice]?
    public var throttleReadBpsDevice: [ThrottleDevice]?
    public var throttleWriteBpsDevice: [ThrottleDevice]?
    public var throttleReadIOPSDevice: [ThrottleDevice]?
    public var throttleWriteIOPSDevice: [ThrottleDevice]?

    /// A weight by value.
    public init(weight: UInt16? = nil) { self.weight = weight }
  }

  /// A weight for one block device.
  public struct WeightDevice: Sendable, Equatable, Codable {
    public var major: Int64
    public var minor: Int64
    public var weight: UInt16?
    public var leafWeight: UInt16?

    /// A weight by value.
    public init(major: Int64, minor: Int64, weight: UInt16? = nil) {
      self.major = major
      self.minor = minor
      self.weight = weight
    }
  }

  /// A rate, in bytes or operations a second, for one block device.
  public struct ThrottleDevice: Sendable, Equatable, Codable {
    public var major: Int64
    public var minor: Int64
    public var rate: UInt64

    /// A rate by value.
    public init(major: Int64, minor: Int64, rate: UInt64) {
      self.major = major
      self.minor = minor
      self.rate = rate
    }
  }

  /// A limit in bytes for huge pages of one size ("2MB", "1GB").
  public struct HugepageLimit: Sendable, Equatable, Codable {
    public var pageSize: String
    public var limit: UInt64

    /// A limit by value.
    public init(pageSize: String, limit: UInt64) {
      self.pageSize = pageSize
      self.limit = limit
    }
  }

  /// Marks and priorities of network packets (cgroup v1 only).
  public struct Network: Sendable, Equatable, Codable {
    public var classID: UInt32?
    public var priorities: [Priority]?

    /// The priority on one interface.
    public struct Priority: Sendable, Equatable, Codable {
      public var name: String
      public var priority: UInt32
    }
  }

  /// Limits of one RDMA device.
  public struct RDMA: Sendable, Equatable, Codable {
    public var hcaHandles: UInt32?
    public var hcaObjects: UInt32?
  }
}
