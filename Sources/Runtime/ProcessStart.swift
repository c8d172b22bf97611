import CLinux
import Glibc
import Linux

/// The last steps of a process in a container: from the runtime's rights to the command's.
///
/// The order is what makes it safe: limits and the user are looked up while that still needs rights;
/// the bounding set is cut before the user changes; without no_new_privs the filter goes in while
/// CAP_SYS_ADMIN is still there; capabilities come last but for the filter under no_new_privs.
struct ProcessStart {
  var plan: ProcessPlan
  /// The socket to the parent, closed by the exec.
  var socket: Int32

  /// Executes the command; returns only by throwing.
  func execute() throws(Failure) {
    let root = try Root(path: "/")
    let user = try resolveUser(root)
    try setSession()
    try setLimits()
    try enterWorkingDirectory(root)
    Glibc.umask(mode_t(plan.umask))
    let loadsEarly = plan.seccomp != nil && !plan.noNewPrivileges
    try CapabilitySets.dropBounding(keeping: plan.capabilities.bounding)
    if loadsEarly, let filter = plan.seccomp { try Seccomp.install(filter) }
    try become(user)
    try CapabilitySets.apply(plan.capabilities)
    if plan.noNewPrivileges {
      try check("set no_new_privs") { clx_prctl(38 /* PR_SET_NO_NEW_PRIVS */, 1, 0, 0, 0) }
    }
    if !loadsEarly, let filter = plan.seccomp { try Seccomp.install(filter) }
    try bindToParent()
    let environment = environment(for: user)
    if plan.reaps { try Reaper.startChild(socket: socket) }
    try CommandSearch(arguments: plan.arguments, environment: environment).execute()
  }

  private func resolveUser(_ root: borrowing Root) throws(Failure) -> ResolvedUser {
    let lookup = try UserLookup(root: root)
    if let text = plan.userText {
      var user = try lookup.resolve(text)
      user.groups += plan.groups
      return user
    }
    var user = try lookup.resolve(String(plan.uid))
    user.gid = plan.gid
    user.groups = plan.groups
    return user
  }

  private func setSession() throws(Failure) {
    // A session of its own: no terminal of the caller's can be reached by job control or TIOCSTI
    // (security row 36), and no keyring is shared with the host.
    _ = clx_set_controlling_session()
    _ = clx_join_session_keyring()
    if plan.hasTerminal { try Terminal.makeControlling(0) }
  }

  private func setLimits() throws(Failure) {
    for limit in plan.rlimits {
      var value = rlimit(rlim_cur: rlim_t(limit.soft), rlim_max: rlim_t(limit.hard))
      let name = "RLIMIT_" + ResourceLimit.names[Int(limit.resource)]
      if clx_setrlimit(limit.resource, &value) < 0 {
        var failure = Failure.last("set limit", name)
        if failure.errno == EPERM {
          failure.remedy = "raising a hard limit needs CAP_SYS_RESOURCE on the host"
        }
        throw failure
      }
    }
    if let adjust = plan.oomScoreAdjust {
      do throws(Failure) {
        try Files.write(String(adjust), into: "/proc/self/oom_score_adj")
      } catch {
        throw Failure(
          errno: error.errno, "set", "oom_score_adj \(adjust)",
          remedy: "lowering it below the inherited value needs CAP_SYS_RESOURCE on the host")
      }
    }
  }

  // The directory is opened inside the root and without magic links, then checked to be reachable from
  // "/": a leaked descriptor of the host's cannot become the working directory (CVE-2024-21626, row 2).
  private func enterWorkingDirectory(_ root: borrowing Root) throws(Failure) {
    let path = plan.workingDirectory
    guard path.hasPrefix("/") else {
      throw Failure(.invalid, "change directory to", path, reason: "it is not an absolute path")
    }
    let directory = try root.makeDirectory(path)
    try check("change directory to", path) { fchdir(directory.raw) }
    var space = [CChar](repeating: 0, count: 4096)
    guard getcwd(&space, space.count) != nil, space[0] == CChar(UInt8(ascii: "/")) else {
      throw Failure(
        .refused, "change directory to", path, reason: "it is outside the container's root")
    }
  }

  private func become(_ user: ResolvedUser) throws(Failure) {
    let isRoot = user.uid == 0
    if !isRoot {
      // Keeps the permitted set across the change of user; the exec clears the flag.
      try check("keep capabilities") { clx_prctl(8 /* PR_SET_KEEPCAPS */, 1, 0, 0, 0) }
    }
    try check("set groups of user", "\(user.uid)") {
      clx_setgroups(user.groups.count, user.groups)
    }
    try check("set group", "\(user.gid)") { clx_setresgid(user.gid) }
    try check("set user", "\(user.uid)") { clx_setresuid(user.uid) }
  }

  // The change of user has cleared the parent-death signal. A parent that died in between has closed
  // its end of the socket.
  private func bindToParent() throws(Failure) {
    try check("set parent-death signal") {
      clx_prctl(1 /* PR_SET_PDEATHSIG */, UInt(SIGKILL), 0, 0, 0)
    }
    var state = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
    if poll(&state, 1, 0) > 0 && Int32(state.revents) & POLLHUP != 0 { Glibc._exit(125) }
  }

  private func environment(for user: ResolvedUser) -> [String] {
    plan.environment.contains { $0.hasPrefix("HOME=") }
      ? plan.environment : plan.environment + ["HOME=" + user.home]
  }
}
