import Linux

/// Running the programs of a point of the container's life, one after the other.
enum HookRun {
  /// Runs hooks to their ends in this process's namespaces.
  ///
  /// - Parameters:
  ///   - point: "createRuntime".
  ///   - state: the container's state, which each reads from its standard input.
  /// - Throws: the first failure: a hook that cannot be executed, fails, or takes longer than its time-out,
  ///   after which it is killed.
  static func run(_ hooks: [Spec.Hook], point: String, state: String) throws(Failure) {
    for index in hooks.indices {
      do throws(Failure) { try run(hooks[index], state) } catch {
        throw error.during("run", "hooks.\(point)[\(index)]")
      }
    }
  }

  private static func run(_ hook: Spec.Hook, _ state: String) throws(Failure) {
    let input = try MemoryFile.make(Array(state.utf8), name: "state")
    let errors = try Descriptor.pipe()
    let (inputNumber, errorNumber) = (input.raw, errors.write.raw)
    let child = try Processes.fork {
      SignalReader.unblockAll()
      SignalReader.resetDispositions()
      do throws(Failure) {
        try ThisProcess.place(inputNumber, at: 0)
        // The engine reads the runtime's own output: a hook's goes to where errors go.
        try ThisProcess.place(2, at: 1)
        ThisProcess.closeDescriptors(from: 3, atExec: true)
        let number = ThisProcess.execute(
          hook.path, arguments: hook.args ?? [hook.path], environment: hook.env ?? [])
        let failure = Failure(errno: number, "execute", hook.path)
        var writer = WireWriter()
        writer.put(failure)
        try Descriptor.duplicate(of: errorNumber).write(writer.bytes)
      } catch {}
      return 127
    }
    let reading = closeWriteEnd(errors)
    // The exec closes the pipe; what comes before is why there was none.
    let report = try reading.readToEnd(limit: 16 << 10)
    if !report.isEmpty {
      _ = try Processes.wait(pidfd: child.handle)
      var reader = WireReader(report)
      throw try Failure(&reader)
    }
    try wait(for: child, hook)
  }

  private static func closeWriteEnd(_ pipe: consuming Pipe) -> Descriptor { pipe.read }

  private static func wait(for child: borrowing Child, _ hook: Spec.Hook) throws(Failure) {
    if let timeout = hook.timeout {
      let end = Timestamp.monotonic + UInt64(timeout) * 1_000_000_000
      while true {
        let now = Timestamp.monotonic
        guard now < end else {
          Processes.signal(child.handle, Signal.kill)
          _ = try Processes.wait(pidfd: child.handle)
          throw Failure(
            .refused, "wait for", hook.path, reason: "it took longer than \(timeout) s")
        }
        var watches = [Watch(child.handle.raw)]
        let left = (end - now) / 1_000_000 + 1
        if try Watch.wait(&watches, milliseconds: Int32(clamping: left)) { break }
      }
    }
    switch try Processes.wait(pidfd: child.handle)! {
    case .exited(0): return
    case .exited(let status):
      throw Failure(.refused, "run", hook.path, reason: "it ended with status \(status)")
    case .signaled(let signal):
      throw Failure(.refused, "run", hook.path, reason: "it ended by \(Signals.name(signal))")
    }
  }
}
