import ArgumentParser
import Engine
import Linux

/// How `stop` and `restart` end a container.
struct StopFlags: ParsableArguments {
  @Option(
    name: [.customShort("t"), .long, .customLong("timeout")],
    help: ArgumentHelp(
      "Time until it is killed; -1: for ever. (10, or --stop-timeout)", valueName: "seconds"))
  var time: Int?
  @Option(
    name: [.customShort("s"), .long],
    help: ArgumentHelp("Signal to send in the place of its stop signal.", valueName: "signal"))
  var signal: String?

  /// Asks all containers to end, then waits for each, so that they end at the same time.
  ///
  /// - Parameter done: what follows for a container that has ended.
  func stop(
    _ names: [String], _ context: Context, _ installation: Installation,
    done: (String) throws(Failure) -> Void
  ) -> Int32 {
    var stop = ContainerStop(installation)
    stop.timeout = time
    stop.signal = signal
    var pending: [(String, ContainerStop.Pending)] = []
    var status = context.each(names) { name throws(Failure) in
      pending.append((name, try stop.begin(name)))
    }
    for (name, container) in pending {
      let failed = context.each([name]) { name throws(Failure) in
        try stop.finish(container)
        try done(name)
      }
      if failed != 0 { status = failed }
    }
    return status
  }
}

struct StopCommand: Command {
  static let configuration = CommandConfiguration(
    commandName: "stop", _superCommandName: "minidock",
    abstract: "Stop running containers.",
    discussion: """
      Example:
        minidock stop web
        minidock stop -t 30 web database

      Each gets its stop signal (SIGTERM unless the image or --stop-signal says otherwise), and \
      SIGKILL when its time is over. --shutdown stops all containers, and their restart policies start \
      them again with the host: the service that `make install` sets up calls it.
      """)

  @OptionGroup var flags: StopFlags
  @Flag(help: "Stop all, as the shutdown of the host does.") var shutdown = false
  @Argument(help: ArgumentHelp("Names or ids.", valueName: "container")) var containers: [String] =
    []

  func validate() throws {
    if shutdown != containers.isEmpty {
      throw ValidationError(shutdown ? "--shutdown takes no containers" : "missing container")
    }
    if shutdown && (flags.time != nil || flags.signal != nil) {
      throw ValidationError("--shutdown takes each container's own signal and time")
    }
  }

  func execute(_ context: Context) throws(Failure) -> Int32 {
    let installation = try context.installation()
    context.sweep(installation)
    if shutdown {
      try ContainerShutdown(installation).stopAll { Console.print($0) }
      return 0
    }
    return flags.stop(containers, context, installation) { Console.print($0) }
  }
}
