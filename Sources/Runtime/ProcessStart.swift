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
    let environment = try prepare()
    if plan.reaps { try Reaper.startChild(socket: socket) }
    try CommandSearch(arguments: plan.arguments, environment: environment).execute()
  }

  /// Everything but the exec.
  ///
  /// - Parameters:
  ///   - check: called with the command's environment and rights, before a filter under no_new_privs, which
  ///     may know no more than the command's calls.
  ///   - listener: gets the descriptor that answers a filter's questions, as soon as it is there.
  /// - Returns: the command's environment.
  func prepare(
    check: ([String]) throws(Failure) -> Void = { (_) throws(Failure) in },
    listener: (borrowing Descriptor) throws(Failure) -> Void = { (_) throws(Failure) in }
  ) throws(Failure) -> [String] {
    let root = try Root(path: "/")
    let user = try resolveUser(root)
    try setSession()
    try plan.extras.apply()
    try setLimits()
    try enterWorkingDirectory(root)
    ThisProcess.setMask(plan.umask)
    let loadsEarly = plan.seccomp != nil && !plan.noNewPrivileges
    try CapabilitySets.dropBounding(keeping: plan.capabilities.bounding)
    if loadsEarly { try installFilter(listener) }
    try become(user)
    try CapabilitySets.apply(plan.capabilities)
    try bindToParent()
    let environment = environment(for: user)
    try check(environment)
    if plan.noNewPrivileges {
      try ThisProcess.setNoNewPrivileges()
    }
    if !loadsEarly { try installFilter(listener) }
    return environment
  }

  private func installFilter(
    _ listener: (borrowing Descriptor) throws(Failure) -> Void
  ) throws(Failure) {
    guard let filter = plan.seccomp else { return }
    let flags = Seccomp.Flags(rawValue: plan.extras.seccompFlags)
    if let descriptor = try Seccomp.install(filter, flags: flags) { try listener(descriptor) }
  }

  private func resolveUser(_ root: borrowing Root) throws(Failure) -> ResolvedUser {
    // Numbers alone need no file of the container's, but for HOME, and that has a value without one: a
    // bundle may mask /etc/passwd.
    if plan.userText == nil, plan.groupTexts.isEmpty {
      var user = ResolvedUser()
      user.uid = plan.uid
      user.gid = plan.gid
      user.groups = plan.groups
      if !hasHome, let found = try? UserLookup(root: root).resolve(String(plan.uid)) {
        user.home = found.home
      }
      return user
    }
    let lookup = try UserLookup(root: root)
    var user = try lookup.resolve(plan.userText ?? String(plan.uid))
    if plan.userText == nil {
      user.gid = plan.gid
      user.groups = []
    }
    // As docker: the primary group is a supplementary one too, so that a setgid program does not get past
    // a file that denies this group (CVE-2022-36109, security row 13).
    if plan.userText != nil && !user.groups.contains(user.gid) {
      user.groups.insert(user.gid, at: 0)
    }
    user.groups += plan.groups
    for text in plan.groupTexts {
      let group = try lookup.findGroup(text, in: text)
      if !user.groups.contains(group) { user.groups.append(group) }
    }
    return user
  }

  private func setSession() throws(Failure) {
    // A session of its own: no terminal of the caller's can be reached by job control or TIOCSTI
    // (security row 36), and no keyring is shared with the host.
    ThisProcess.leadSession()
    if !plan.extras.keepsKeyring { ThisProcess.joinSessionKeyring() }
    if plan.hasTerminal { try Terminal.makeControlling(0) }
  }

  private func setLimits() throws(Failure) {
    for limit in plan.rlimits {
      do throws(Failure) {
        try ThisProcess.setLimit(
          limit.resource, soft: limit.soft, hard: limit.hard, name: limit.name)
      } catch  where error.errno == ErrorNumber.notPermitted {
        throw error.withRemedy("raising a hard limit needs CAP_SYS_RESOURCE on the host")
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
    let directory: Descriptor
    do throws(Failure) {
      directory =
        plan.makesWorkingDirectory
        ? try root.makeDirectory(path)
        : try root.open(path, flags: OpenMode.directoryPathFlags)
    } catch {
      throw Failure(
        errno: error.errno, "change directory to", path,
        remedy: "choose another working directory with --workdir")
    }
    try ThisProcess.changeDirectory(directory, name: path)
    guard ThisProcess.currentDirectory != nil else {
      throw Failure(
        .refused, "change directory to", path, reason: "it is outside the container's root")
    }
  }

  private func become(_ user: ResolvedUser) throws(Failure) {
    let isRoot = user.uid == 0
    if !isRoot {
      // Keeps the permitted set across the change of user; the exec clears the flag.
      try ThisProcess.keepCapabilities()
    }
    try ThisProcess.become(
      uid: user.uid, gid: user.gid, groups: plan.extras.keepsGroups ? nil : user.groups)
  }

  // The change of user has cleared the parent-death signal. A parent that died in between has closed
  // its end of the socket.
  private func bindToParent() throws(Failure) {
    if plan.outlivesParent { return try ThisProcess.setParentDeathSignal(0) }
    try ThisProcess.setParentDeathSignal(Signal.kill)
    if Watch.isHungUp(socket) { exitProcess(125) }
  }

  private func environment(for user: ResolvedUser) -> [String] {
    hasHome ? plan.environment : plan.environment + ["HOME=" + user.home]
  }

  private var hasHome: Bool { plan.environment.contains { $0.hasPrefix("HOME=") } }
}
