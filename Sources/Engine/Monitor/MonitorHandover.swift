import Linux
import Net
import Runtime

/// A monitor executes minidock anew once its container runs.
///
/// What the start needed (the image, the plan, the specification) would stay in its memory for as long as
/// the container lives; the program's pages are shared by all monitors, its heap is not. The container
/// does not notice: it is still a child of the same process, and the descriptors stay open.
enum MonitorHandover {
  /// Replaces this process's program; returns only when that fails, and the monitor goes on as it is.
  static func execute(_ loop: inout MonitorLoop) {
    guard let path = try? SealedExecutable.ownPath() else { return }
    let installation = loop.store.installation
    var text = FieldText()
    text.add("root", installation.root)
    text.add("runroot", installation.runRoot)
    text.add("id", loop.id)
    text.add("pid", loop.pid)
    text.add("started", loop.started.nanoseconds)
    text.add("started-monotonic", loop.startedMonotonic)
    text.add("restarts", loop.restarts)
    text.add("quick-restarts", loop.quickRestarts)
    if loop.streams.isTerminal { text.add("terminal", "1") }
    for (key, number) in loop.descriptors where number >= 0 {
      text.add(key, number)
      ThisProcess.keepAtExec(number)
    }
    let ports = loop.reservations?.sockets ?? []
    for number in ports {
      text.add("port-socket", number)
      ThisProcess.keepAtExec(number)
    }
    let words = String(decoding: text.bytes, as: UTF8.self).split(separator: "\n").map(String.init)
    _ = ThisProcess.execute(
      path, arguments: ["minidock", "monitor"] + words,
      environment: ["SWIFT_BACKTRACE=enable=no,swift-backtrace=/"])
    for (_, number) in loop.descriptors where number >= 0 { ThisProcess.closeAtExec(number) }
    for number in ports { ThisProcess.closeAtExec(number) }
  }

  /// The monitor that another program's run left.
  ///
  /// - Throws: ``Failure/Code/invalid`` when somebody has typed the command.
  static func resume(_ words: [String]) throws(Failure) -> MonitorLoop {
    let text = FieldText(parsing: Array(words.joined(separator: "\n").utf8))
    func descriptor(_ key: String) -> Descriptor? {
      guard let number = text.number(key, as: Int32.self), number > 2 else { return nil }
      ThisProcess.closeAtExec(number)
      return Descriptor(owning: number)
    }
    guard let root = text["root"], let runRoot = text["runroot"], let id = text["id"],
      let pid = text.number("pid", as: Int32.self), let handle = descriptor("child"),
      let listener = descriptor("listener")
    else {
      throw Failure(.invalid, "monitor", reason: "minidock monitor is internal to minidock")
    }
    let store = ContainerStore(try Installation(root: root, runRoot: runRoot))
    store.installation.netfilter.keep()
    var options = LogOptions()
    if let record = try store.read(id) { options = store.options(of: record).log }
    func pump(_ key: String) -> OutputPump {
      guard let source = descriptor(key) else { return .none }
      return OutputPump(source: source, sink: -1)
    }
    let streams = MonitorStreams(
      output: pump("output"), errors: pump("errors"),
      input: descriptor("input") ?? Descriptor(owning: -1),
      isTerminal: text["terminal"] == "1",
      log: LogWriter.open(store, id, options))
    var loop = MonitorLoop(
      store: store, id: id, child: Child(pid: pid, handle: handle), streams: streams,
      listener: ListeningSocket(listener),
      signals: try SignalReader(MonitorLoop.watchedSignals))
    loop.started = Timestamp(nanoseconds: text.number("started") ?? 0)
    loop.startedMonotonic = text.number("started-monotonic") ?? loop.startedMonotonic
    loop.restarts = text.number("restarts") ?? 0
    loop.quickRestarts = text.number("quick-restarts") ?? 0
    let sockets = text.all("port-socket").compactMap { Int32($0) }.filter { $0 > 2 }
    if !sockets.isEmpty {
      for number in sockets { ThisProcess.closeAtExec(number) }
      loop.hold(PortReservations(ports: store.runFile(of: id)?.ports ?? [], sockets: sockets))
    }
    if let datagrams = descriptor("name-datagrams"), let names = descriptor("name-listener") {
      loop.serveNames(on: NameServerSockets(datagrams: datagrams, listener: names))
    }
    return loop
  }
}
