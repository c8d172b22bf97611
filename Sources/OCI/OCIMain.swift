import Linux
import Runtime

/// The program minidock-oci, and `minidock oci`: an OCI runtime with runc's words.
///
/// Neither ArgumentParser nor an installation: engines start it several times for each container.
public struct OCIMain {
  /// What the options before the verb say.
  struct Context {
    var store: BundleStore
    var usesSystemd = false
    var criu: String?
    var log = OCILog()
    let moveLink: BundleOptions.LinkMover
  }

  private var log = OCILog()
  private let moveLink: BundleOptions.LinkMover

  /// Whether the program was called by a name that makes it a runtime.
  public static func isName(_ program: String) -> Bool {
    let name = Files.name(of: program)
    return name == "minidock-oci" || name == "runc"
  }

  /// Runs the words behind the program's name.
  ///
  /// - Parameter moveLink: gives containers the links of `linux.netDevices`; netlink is not this module's.
  /// - Returns: the exit status: 1 for a failure, the command's for `run` and `exec`.
  public static func run(_ words: [String], moveLink: @escaping BundleOptions.LinkMover) -> Int32 {
    var main = OCIMain(moveLink: moveLink)
    do throws(Failure) { return try main.dispatch(words[...]) } catch {
      main.log.report(error)
      return 1
    }
  }

  private mutating func dispatch(_ words: ArraySlice<String>) throws(Failure) -> Int32 {
    let global = try OCIWords(
      words, verb: "",
      flags: ["debug", "systemd-cgroup", "help", "version"],
      options: ["root", "log", "log-format", "rootless", "criu"],
      short: ["h": "help", "v": "version"])
    log.path = global["log"].flatMap { $0.isEmpty ? nil : $0 }
    switch global["log-format"] ?? "text" {
    case "text": log.isJSON = false
    case "json": log.isJSON = true
    case let other:
      throw Failure(
        .invalid, "use", "--log-format \(other)", reason: "a format is text or json")
    }
    if let rootless = global["rootless"], !["auto", "true", "false"].contains(rootless) {
      throw Failure(
        .invalid, "use", "--rootless \(rootless)", reason: "it is auto, true or false")
    }
    if global.has("version") { return OCIVersion.run() }
    guard !global.has("help"), let verb = global.arguments.first, verb != "help" else {
      Console.print(OCIHelp.text)
      return 0
    }
    let rest = global.arguments.dropFirst()
    let context = Context(
      store: try BundleStore(root: global["root"] ?? BundleStore.defaultRoot),
      usesSystemd: global.has("systemd-cgroup"),
      criu: global["criu"].flatMap { $0.isEmpty ? nil : $0 }, log: log, moveLink: moveLink)
    return try run(verb, rest, context)
  }

  private func run(
    _ verb: String, _ words: ArraySlice<String>, _ context: Context
  ) throws(Failure) -> Int32 {
    if ["--help", "-h"].contains(words.first) {
      Console.print(OCIHelp.text)
      return 0
    }
    switch verb {
    case "create": return try OCICreate.run(words, context)
    case "start":
      return try OCIStep.run(verb, words, context) { (container, id) throws(Failure) in
        try container.start(id)
      }
    case "run": return try OCIRun.run(words, context)
    case "state": return try OCIState.run(words, context)
    case "kill": return try OCIKill.run(words, context)
    case "delete": return try OCIDelete.run(words, context)
    case "exec": return try OCIExec.run(words, context)
    case "list": return try OCIList.run(words, context)
    case "ps": return try OCIPs.run(words, context)
    case "pause":
      return try OCIStep.run(verb, words, context) { (container, id) throws(Failure) in
        try container.pause(id)
      }
    case "resume":
      return try OCIStep.run(verb, words, context) { (container, id) throws(Failure) in
        try container.resume(id)
      }
    case "update": return try OCIUpdate.run(words, context)
    case "events": return try OCIEvents.run(words, context)
    case "features": return try OCIFeatures.run(words)
    case "spec": return try OCISpec.run(words)
    case "checkpoint": return try OCICheckpoint.run(words, context)
    case "restore": return try OCIRestore.run(words, context)
    default:
      throw Failure(
        .invalid, "run", "minidock oci \(verb)", reason: "there is no such command",
        remedy: "minidock oci --help lists them")
    }
  }
}

/// `--version`, in the lines that engines parse.
enum OCIVersion {
  static func run() -> Int32 {
    // Docker shows the runtime by its commit: the release's tag names it.
    Console.print(
      "minidock-oci version \(Version.number)\ncommit: v\(Version.number)\n"
        + "spec: \(BundleFeatures.newestVersion)")
    return 0
  }
}
