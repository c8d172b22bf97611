/// A system call filter as docker's `--security-opt seccomp=FILE` and the OCI runtime-spec's
/// `linux.seccomp` write it; the keys of both are read.
///
/// Actions, operators and architectures are kept as text and judged by
/// ``resolve(capabilities:kernel:)``, which names what it does not know.
public struct SeccompProfile: Sendable, Equatable {
  /// What happens to a call that no rule matches: "SCMP_ACT_ERRNO".
  public var defaultAction: String
  /// The error number of ``defaultAction``; nil is EPERM.
  public var defaultErrnoRet: UInt32?
  /// OCI: "SCMP_ARCH_X86_64". The native one is always filtered.
  public var architectures: [String]?
  /// docker: architectures with those they can also execute.
  public var archMap: [ArchitectureMapping]?
  /// "SECCOMP_FILTER_FLAG_LOG".
  public var flags: [String]?
  /// OCI: where a filter's notifications would go.
  public var listenerPath: String?
  /// OCI: passed on to the listener.
  public var listenerMetadata: String?
  /// The rules.
  public var syscalls: [Rule]?
  /// Calls refused for one value of an argument before any rule is looked at; no part of the documents.
  var guards: [SeccompGuard] = []
  /// What happens to a call of an architecture that is not filtered; nil is libseccomp's way, a kill.
  var otherArchitectureErrno: UInt32?

  /// A profile without rules.
  public init(defaultAction: String, defaultErrnoRet: UInt32? = nil) {
    self.defaultAction = defaultAction
    self.defaultErrnoRet = defaultErrnoRet
  }

  /// An entry of docker's archMap.
  public struct ArchitectureMapping: Sendable, Equatable {
    /// The architecture this entry is for.
    public var architecture: String
    /// Filtered too when that is the machine's.
    public var subArchitectures: [String]?
  }

  /// What to do with some calls.
  public struct Rule: Sendable, Equatable {
    /// System call names.
    public var names: [String]?
    /// docker's older form: a single name.
    public var name: String?
    /// "SCMP_ACT_ALLOW".
    public var action: String
    /// The error number of SCMP_ACT_ERRNO or the message of SCMP_ACT_TRACE; nil is EPERM.
    public var errnoRet: UInt32?
    /// Conditions that must all hold; several on one argument are alternatives, as in runc.
    public var args: [Argument]?
    /// docker: the rule counts only where all of this holds.
    public var includes: Condition?
    /// docker: the rule does not count where any of this holds.
    public var excludes: Condition?

    /// A rule by value.
    public init(
      _ names: [String], _ action: String, errnoRet: UInt32? = nil, args: [Argument]? = nil
    ) {
      self.names = names
      self.action = action
      self.errnoRet = errnoRet
      self.args = args
    }
  }

  /// A condition on an argument.
  public struct Argument: Sendable, Equatable {
    /// 0...5.
    public var index: UInt32
    /// What it is compared with; the mask for SCMP_CMP_MASKED_EQ.
    public var value: UInt64
    /// What the masked argument is compared with.
    public var valueTwo: UInt64?
    /// "SCMP_CMP_EQ".
    public var op: String

    /// A condition by value.
    public init(index: UInt32, value: UInt64, valueTwo: UInt64? = nil, op: String) {
      self.index = index
      self.value = value
      self.valueTwo = valueTwo
      self.op = op
    }
  }

  /// What docker makes rules depend on.
  public struct Condition: Sendable, Equatable {
    /// Go's names: "amd64".
    public var arches: [String]?
    /// Capabilities in the container's bounding set: "CAP_SYS_ADMIN".
    public var caps: [String]?
    /// The oldest kernel: "4.8".
    public var minKernel: String?
  }
}

/// Refuses a call when the lower 32 bits of an argument have one of some values.
///
/// The kernel looks at no more than these bits of an `int` or `unsigned int` argument, so a comparison of
/// all 64 could be passed by setting others (CVE-2019-10063).
struct SeccompGuard: Sendable, Equatable {
  var syscall: String
  var argument: UInt32
  var values: [UInt32]
}
