import CLinux
import Glibc

/// Locks a forked child into one directory, for work on bytes that nobody trusts.
///
/// The order matters: (1) die with the parent, (2) drop every descriptor that is not needed, (3) a mount
/// namespace whose root is the directory, so that the rest of the host has no path any more, (4) limits,
/// (5) no_new_privs and the system call filter. After that not even a decoder under an attacker's control
/// can reach the network, another process, a program or a file outside.
public enum Confinement {
  /// What the child may use up.
  public struct Limits: Sendable {
    /// Private writable memory in bytes (RLIMIT_DATA).
    public var memory: UInt64
    /// Size of one file in bytes (RLIMIT_FSIZE).
    public var fileSize: UInt64
    /// CPU seconds (RLIMIT_CPU).
    public var seconds: UInt64

    /// Limits for one child.
    public init(memory: UInt64, fileSize: UInt64, seconds: UInt64) {
      self.memory = memory
      self.fileSize = fileSize
      self.seconds = seconds
    }
  }

  /// Dies with the process `parent` (prctl(2) PR_SET_PDEATHSIG); to be called first in its child.
  public static func dieWithParent(_ parent: Int32) throws(Failure) {
    try check("set parent death signal") {
      clx_prctl(1 /* PR_SET_PDEATHSIG */, UInt(SIGKILL), 0, 0, 0)
    }
    // The parent may have died before the call.
    if getppid() != parent { _exit(1) }
  }

  /// Closes every descriptor but `kept`; 0 to 2 become /dev/null unless they are kept.
  public static func keepOnly(_ kept: [Int32]) throws(Failure) {
    let null = try Descriptor.open("/dev/null", .readWrite)
    for number in Int32(0)...2 where !kept.contains(number) {
      try check("replace", "descriptor \(number)") { dup2(null.raw, number) }
    }
    var first: Int32 = 3
    for number in kept.sorted() where number >= 3 {
      if number > first { clx_close_range(UInt32(first), UInt32(number - 1), false) }
      first = number + 1
    }
    // `null` itself is closed here too, unless it is below a kept one: both are harmless.
    clx_close_range(UInt32(first), UInt32.max, false)
    _ = null.release()
  }

  /// Makes `directory` the root of this process in a mount namespace of its own, mounted
  /// nosuid, nodev and noexec, and returns its new handle. Needs CAP_SYS_ADMIN; Linux 5.12.
  public static func enterDirectory(
    _ directory: consuming Descriptor, name: String
  ) throws(Failure) -> Descriptor {
    // unshare(2) moves the working directory to the new namespace's mounts, but no open descriptor.
    try check("enter", name) { fchdir(directory.raw) }
    try check("create mount namespace") { clx_unshare(0x20000 /* CLONE_NEWNS */) }
    try check("make mounts private") {
      mount("none", "/", nil, UInt(MS_REC) | UInt(MS_PRIVATE), nil)
    }
    let flags = UInt32(CLX_OPEN_TREE_CLONE) | UInt32(CLX_OPEN_TREE_CLOEXEC)
    let tree = Descriptor(
      owning: try check("clone mount of", name) {
        clx_open_tree(AT_FDCWD, ".", flags)
      })
    var attributes = clx_mount_attr()
    attributes.attr_set =
      UInt64(CLX_MOUNT_ATTR_NOSUID) | UInt64(CLX_MOUNT_ATTR_NODEV) | UInt64(CLX_MOUNT_ATTR_NOEXEC)
    try check("restrict mount of", name) {
      clx_mount_setattr(tree.raw, "", UInt32(CLX_AT_EMPTY_PATH), &attributes)
    }
    try check("mount", name) {
      clx_move_mount(tree.raw, "", AT_FDCWD, ".", UInt32(CLX_MOVE_MOUNT_F_EMPTY_PATH))
    }
    try check("enter", name) { fchdir(tree.raw) }
    if clx_pivot_root(".", ".") == 0 {
      try check("detach the host's mounts from", name) { umount2(".", Int32(MNT_DETACH)) }
    } else {
      // The initial ramfs cannot be pivoted away (pivot_root(2)): it is covered and left instead.
      guard Glibc.errno == EINVAL else { throw .last("pivot root to", name) }
      try check("move root to", name) { mount(".", "/", nil, UInt(MS_MOVE), nil) }
      try check("change root to", name) { chroot(".") }
    }
    try check("enter", name) { chdir("/") }
    return tree
  }

  /// Applies the limits and the system call filter for decoders. Nothing else can be set up afterwards.
  public static func confine(_ limits: Limits) throws(Failure) {
    umask(0)
    // A file beyond RLIMIT_FSIZE shall be an error of write(2), not a signal.
    Glibc.signal(SIGXFSZ, SIG_IGN)
    Glibc.signal(SIGPIPE, SIG_IGN)
    let values: [(resource: Int32, value: UInt64, name: String)] = [
      (2 /* RLIMIT_DATA */, limits.memory, "memory"),
      (1 /* RLIMIT_FSIZE */, limits.fileSize, "file size"),
      (0 /* RLIMIT_CPU */, limits.seconds, "cpu time"), (7 /* RLIMIT_NOFILE */, 512, "open files"),
      (4 /* RLIMIT_CORE */, 0, "core size"),
    ]
    for (resource, value, name) in values {
      try check("limit", name) { clx_limit(resource, value) }
    }
    try SyscallFilter.confineToDecoding()
  }
}

extension Processes {
  /// fork(2) of the C library: as ``fork(_:)``, but its handlers leave the allocator usable in the child
  /// even when the caller has threads. For children that decode, not for children that change namespaces.
  public static func forkHelper(_ body: (_ parent: Int32) -> Int32) throws(Failure) -> Child {
    let parent = getpid()
    let pid = try check("fork", "") { clx_fork() }
    if pid == 0 { Glibc._exit(body(parent)) }
    do throws(Failure) {
      return Child(pid: pid, handle: try Processes.open(pid: pid))
    } catch {
      kill(pid, SIGKILL)
      var status: Int32 = 0
      waitpid(pid, &status, 0)
      throw error
    }
  }
}

extension Child {
  /// Ends the child at once and reaps it.
  public func kill() {
    _ = clx_pidfd_send_signal(handle.raw, SIGKILL)
    _ = try? Processes.wait(pidfd: handle)
  }
}
