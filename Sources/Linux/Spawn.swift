import CLinux
import Glibc

/// A child to be started by one clone3(2): what it joins, what it inherits and what it executes.
public struct Spawn: Sendable {
  /// The namespaces that it starts in.
  public var namespaces: Namespaces = []
  /// Arguments, the program's name first.
  public var arguments: [String] = []
  /// The whole environment.
  public var environment: [String] = []
  /// Open files into which the child writes "0" to join cgroups.
  public var joins: [Int32] = []
  /// The child's descriptors 0, 1 and 2; -1 keeps the caller's.
  public var stdio: [Int32] = [-1, -1, -1]
  /// Whether it becomes this process's sibling instead of its child (CLONE_PARENT).
  public var isSibling = false
  /// The number that the socket has in the child.
  public var socketNumber: Int32 = 3
  /// The cgroup v2 directory to start in (CLONE_INTO_CGROUP, Linux 5.7); -1 for none.
  public var cgroup: Int32 = -1

  /// An empty plan.
  public init() {}

  /// Starts the child, which executes `program` with `socket` as its descriptor ``socketNumber``.
  ///
  /// The child borrows the caller's memory until it executes (CLONE_VFORK), which is what makes this
  /// some hundred microseconds cheaper than a fork.
  ///
  /// - Throws: the failed step with its error number; no child is left then.
  public func start(
    program: borrowing Descriptor, socket: borrowing Descriptor
  ) throws(Failure) -> Child {
    var argv = arguments.map { strdup($0) } + [nil]
    var envp = environment.map { strdup($0) } + [nil]
    defer { for pointer in argv + envp { free(pointer) } }
    var pidfd: Int32 = -1
    var step: Int32 = 0
    var pid: pid_t = -1
    var number: Int32 = 0
    argv.withUnsafeMutableBufferPointer { argv in
      envp.withUnsafeMutableBufferPointer { envp in
        joins.withUnsafeBufferPointer { joins in
          var plan = clx_spawn_plan()
          plan.flags = namespaces.rawValue | (isSibling ? 0x8000 /* CLONE_PARENT */ : 0)
          plan.exec_fd = program.raw
          plan.argv = UnsafePointer(argv.baseAddress)
          plan.envp = UnsafePointer(envp.baseAddress)
          plan.join_fds = joins.baseAddress
          plan.join_count = Int32(joins.count)
          plan.socket_fd = socket.raw
          plan.socket_number = socketNumber
          plan.stdio = (stdio[0], stdio[1], stdio[2])
          plan.cgroup_fd = cgroup
          pid = clx_spawn(&plan, &pidfd, &step)
          number = Glibc.errno
        }
      }
    }
    if pid < 0 {
      let operation =
        switch Int(step) {
        case CLX_SPAWN_CLONE: "create process"
        case CLX_SPAWN_JOIN: "join cgroup"
        case CLX_SPAWN_DUP: "set up descriptors"
        default: "execute minidock init"
        }
      throw Failure(errno: number, operation)
    }
    return Child(pid: pid, handle: Descriptor(owning: pidfd))
  }
}
