import CLinux
import Glibc

/// What a process can change about itself. None of these may be called once the process has a thread.
public enum ThisProcess {
  /// Its pid, in its own pid namespace.
  public static var id: Int32 { getpid() }

  /// The user that its files get.
  public static var effectiveUser: UInt32 { geteuid() }

  /// The group that its files get.
  public static var effectiveGroup: UInt32 { getegid() }

  /// Whether it is root in its user namespace.
  public static var isRoot: Bool { geteuid() == 0 }

  // MARK: - Descriptors

  /// Closes every descriptor from `first` on (close_range(2), Linux 5.9), or with `atExec` marks them to
  /// be closed by an exec (Linux 5.11).
  public static func closeDescriptors(from first: UInt32, atExec: Bool) {
    _ = clx_close_range(first, ~0, atExec)
  }

  /// Closes one descriptor by number.
  public static func close(_ descriptor: Int32) { Glibc.close(descriptor) }

  /// Marks one descriptor to be closed by an exec.
  public static func closeAtExec(_ descriptor: Int32) {
    _ = clx_fcntl(descriptor, F_SETFD, Int(FD_CLOEXEC))
  }

  /// Lets one descriptor stay open across an exec.
  public static func keepAtExec(_ descriptor: Int32) { _ = clx_fcntl(descriptor, F_SETFD, 0) }

  /// Makes `number` a copy of an open descriptor, which an exec keeps (dup2(2)).
  public static func place(_ descriptor: Int32, at number: Int32) throws(Failure) {
    try check("duplicate descriptor", "\(descriptor)") { dup2(descriptor, number) }
  }

  // MARK: - Directories and files

  /// Changes the working directory by path.
  public static func changeDirectory(_ path: String) throws(Failure) {
    try check("change directory to", path) { chdir(path) }
  }

  /// Changes the working directory to an open one.
  public static func changeDirectory(
    _ directory: borrowing Descriptor, name: String
  ) throws(Failure) {
    try check("change directory to", name) { fchdir(directory.raw) }
  }

  /// The working directory's absolute path; nil when it cannot be reached from "/".
  public static var currentDirectory: String? {
    var space = [CChar](repeating: 0, count: 4096)
    guard getcwd(&space, space.count) != nil, space[0] == CChar(UInt8(ascii: "/")) else {
      return nil
    }
    return String(decoding: space.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// Sets the file mode creation mask (umask(2)).
  public static func setMask(_ mask: UInt32) { _ = Glibc.umask(mode_t(mask)) }

  // MARK: - Names

  /// Sets the host name of this UTS namespace.
  public static func setHostName(_ name: String) throws(Failure) {
    try check("set host name", name) { clx_sethostname(name, name.utf8.count) }
  }

  /// Sets the NIS domain name of this UTS namespace.
  public static func setDomainName(_ name: String) throws(Failure) {
    try check("set domain name", name) { clx_setdomainname(name, name.utf8.count) }
  }

  // MARK: - Rights and limits

  /// Forbids other processes to look into this one (PR_SET_DUMPABLE), until the next exec.
  public static func forbidInspection() { _ = clx_prctl(4, 0, 0, 0, 0) }

  /// Has the kernel send this process a signal when its parent ends (PR_SET_PDEATHSIG). A change of user
  /// clears it.
  public static func setParentDeathSignal(_ signal: Int32) throws(Failure) {
    try check("set parent-death signal") { clx_prctl(1, UInt(signal), 0, 0, 0) }
  }

  /// Keeps the permitted capabilities across a change of user, until the next exec (PR_SET_KEEPCAPS).
  public static func keepCapabilities() throws(Failure) {
    try check("keep capabilities") { clx_prctl(8, 1, 0, 0, 0) }
  }

  /// Sets no_new_privs: no exec gives this process more rights than it has.
  public static func setNoNewPrivileges() throws(Failure) {
    try check("set no_new_privs") { clx_prctl(38, 1, 0, 0, 0) }
  }

  /// Becomes another user: groups first, the user last, as each step takes away the right to the one
  /// before.
  public static func become(uid: UInt32, gid: UInt32, groups: [UInt32]?) throws(Failure) {
    if let groups {
      try check("set groups of user", "\(uid)") { clx_setgroups(groups.count, groups) }
    }
    try check("set group", "\(gid)") { clx_setresgid(gid) }
    try check("set user", "\(uid)") { clx_setresuid(uid) }
  }

  /// Sets a resource limit (setrlimit(2)); `UInt64.max` is no limit.
  public static func setLimit(
    _ resource: Int32, soft: UInt64, hard: UInt64, name: String
  ) throws(Failure) {
    var value = rlimit(rlim_cur: rlim_t(soft), rlim_max: rlim_t(hard))
    try check("set limit", name) { clx_setrlimit(resource, &value) }
  }

  // MARK: - Sessions and signals

  /// Leads a new session without a terminal (setsid(2)); no effect when it leads one already.
  public static func leadSession() { _ = clx_set_controlling_session() }

  /// Joins a new, empty session keyring (keyctl(2)); kernels without keyrings have nothing to share.
  public static func joinSessionKeyring() { _ = clx_join_session_keyring() }

  /// Ignores a signal, or takes its default action again.
  public static func handle(_ number: Int32, ignoring: Bool) {
    signal(number, ignoring ? SIG_IGN : SIG_DFL)
  }

  // MARK: - The end

  /// Replaces the program. Returns only when that failed, with the error number.
  public static func execute(
    _ path: String, arguments: [String], environment: [String]
  ) -> Int32 {
    var argv = arguments.map { strdup($0) } + [nil]
    var envp = environment.map { strdup($0) } + [nil]
    defer { for pointer in argv + envp { free(pointer) } }
    execve(path, &argv, &envp)
    return Glibc.errno
  }
}

/// Signals by name, for those that do not import the C library.
public enum Signal {
  /// SIGKILL: ends a process at once; cannot be caught, blocked or ignored.
  public static let kill = SIGKILL
  /// SIGTERM: asks a process to end.
  public static let terminate = SIGTERM
  /// SIGINT: the interrupt key.
  public static let interrupt = SIGINT
  /// SIGQUIT: the quit key.
  public static let quit = SIGQUIT
  /// SIGHUP: the controlling terminal is gone.
  public static let hangup = SIGHUP
  /// SIGPIPE: a write to a pipe or socket that has no reader.
  public static let pipe = SIGPIPE
  /// SIGCHLD: a child has ended, stopped or continued.
  public static let child = SIGCHLD
  /// SIGWINCH: the terminal has another size.
  public static let windowChange = SIGWINCH
}
