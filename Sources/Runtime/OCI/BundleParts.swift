import Linux

/// Writing the score by which the kernel chooses whom to kill for want of memory.
enum OOMScore {
  /// From outside, with the runtime's rights: the process may have lost them already.
  static func write(_ score: Int, of pid: Int32) throws(Failure) {
    do throws(Failure) { try Files.write(String(score), into: "/proc/\(pid)/oom_score_adj") } catch
    {
      throw Failure(
        errno: error.errno, "set", "process.oomScoreAdj \(score)",
        remedy: "lowering it below the inherited value needs CAP_SYS_RESOURCE")
    }
  }
}

/// `--preserve-fds`.
enum PreservedDescriptors {
  /// Checks that they are open, and tells the command of those that systemd passes (sd_listen_fds(3)).
  static func prepare(_ count: UInt32, _ process: inout ProcessPlan) throws(Failure) {
    process.extras.preserved = count
    guard count > 0 else { return }
    guard count <= 1024 else {
      throw Failure(.invalid, "use", "--preserve-fds \(count)", reason: "it is more than 1024")
    }
    for number in 3..<(3 + Int32(count)) where FileStatus.kind(of: number) == nil {
      throw Failure(
        .invalid, "use", "--preserve-fds \(count)", reason: "descriptor \(number) is not open")
    }
    guard let passed = Console.environment("LISTEN_FDS") else { return }
    process.environment.append("LISTEN_FDS=" + passed)
    process.environment.append("LISTEN_PID=1")
    if let names = Console.environment("LISTEN_FDNAMES") {
      process.environment.append("LISTEN_FDNAMES=" + names)
    }
  }
}

/// The descriptor that answers what a filter asks (runtime-spec, "The Container Process State").
enum SeccompListener {
  /// Sends it to the socket that the specification names.
  static func hand(
    _ listener: borrowing Descriptor, of spec: Spec, state: JSONValue, version: String, pid: Int32
  ) throws(Failure) {
    guard let profile = spec.linux?.seccomp, let path = profile.listenerPath else { return }
    var members: [(key: String, value: JSONValue)] = [
      ("ociVersion", .string(version)), ("fds", .strings(["seccompFd"])),
      ("pid", .number(Int64(pid))),
    ]
    if let metadata = profile.listenerMetadata { members.append(("metadata", .string(metadata))) }
    members.append(("state", state))
    do throws(Failure) {
      try StreamSocket.send(
        Array(JSONValue.object(members).compact.utf8), descriptor: listener.raw, to: path)
    } catch {
      throw error.during("use", "linux.seccomp.listenerPath")
    }
  }
}

/// The hooks behind a container's end.
enum PostStop {
  /// Runs them all; a failure is a warning.
  static func run(_ hooks: Spec.Hooks?, _ record: BundleRecord) {
    for (index, hook) in (hooks?.poststop ?? []).enumerated() {
      do throws(Failure) {
        try HookRun.run(
          [hook], point: "poststop",
          state: record.document(status: .stopped, pid: nil).compact)
      } catch {
        Console.error("minidock-oci: warning: hook \(index): \(error)")
      }
    }
  }
}
