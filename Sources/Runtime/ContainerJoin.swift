import Linux

/// A later process of a running container: enters what its first process lives in.
///
/// By now it is in the container's cgroup and pid namespace, executes a program that the container cannot
/// write to, has no descriptor of the host's but 0 to 3, and cannot be looked into (security rows 1 and 2).
struct ContainerJoin {
  /// The socket to the parent, closed by the exec.
  let socket: Int32
  let plan: ProcessPlan

  /// Executes the command; returns only by throwing.
  func execute(in namespaces: Namespaces, of target: Int32) throws(Failure) {
    // Through the host's /proc, while that is still there (row 7).
    if let adjust = plan.oomScoreAdjust {
      try? Files.write(String(adjust), into: "/proc/self/oom_score_adj")
    }
    let process = Descriptor(owning: target)
    do throws(Failure) { try namespaces.join(process) } catch {
      throw Failure(
        errno: error.errno, "enter container", remedy: "it may have ended; see minidock ps -a")
    }
    _ = consume process
    if plan.hasTerminal { try openTerminal() }
    try ProcessStart(plan: plan, socket: socket).execute()
  }

  // From the container's own devpts, and the other end by ioctl, never by a path (row 6).
  private func openTerminal() throws(Failure) {
    let root = try Root(path: "/")
    let devpts = try root.plainDirectory("/dev/pts")
    guard devpts.isTerminalFileSystem else {
      throw Failure(
        .refused, "open terminal", "/dev/pts", reason: "the container has no devpts there")
    }
    let pair = try Terminal.openPair(devpts: devpts)
    if let size = plan.terminalSize { Terminal.setSize(size, of: pair.master.raw) }
    let parent = MessageSocket(try Descriptor.duplicate(of: socket))
    try parent.send(InitMessage.terminal.bytes, descriptors: [pair.master.raw])
    for number in 0...2 as ClosedRange<Int32> {
      try ThisProcess.place(pair.peer.raw, at: number)
    }
  }
}
