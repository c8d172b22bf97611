import Linux

/// `checkpoint` and `restore`: by the program criu, which does the work and says in its log why it cannot.
public struct BundleCheckpoint: Sendable {
  let store: BundleStore
  let options: Options

  /// What an engine asks, runc's flags.
  public struct Options: Sendable {
    /// `--criu`: a path, or a name to be looked up in PATH.
    public var program = "criu"
    /// `--image-path`.
    public var images = "checkpoint"
    /// `--work-path`: where the log goes; nil for ``images``.
    public var work: String?
    /// `--parent-path`: an earlier dump's images, as seen from ``images``.
    public var parent: String?
    /// `--leave-running`.
    public var leavesRunning = false
    /// `--pre-dump`: memory alone, while the container runs on.
    public var isPreDump = false
    /// Flags that criu knows by the same name: "tcp-established", "file-locks".
    public var flags: [String] = []
    /// `--manage-cgroups-mode`; nil for criu's own choice.
    public var cgroupMode: String?
    /// Whether the network namespace's content is left out (`--empty-ns network`).
    public var leavesNetwork = false

    /// runc's defaults.
    public init() {}
  }

  /// The containers of a store.
  public init(_ store: BundleStore, _ options: Options) {
    self.store = store
    self.options = options
  }

  /// The file beside the images that tells what the first three descriptors were: runc's name and form.
  static let descriptorsFile = "descriptors.json"

  /// Writes a container's processes into a directory and ends them, unless told otherwise.
  ///
  /// - Throws: criu's complaint; the container runs on then.
  public func checkpoint(_ id: String) throws(Failure) {
    let record = try store.record(id)
    let lock = try store.lock(id)
    defer { _ = lock.raw }
    guard store.status(of: record) == .running, let process = record.process else {
      throw Failure(.inUse, "checkpoint container", id, reason: "container not running")
    }
    let spec = try Bundle.parse(
      try Files.read(store.config(id), limit: Bundle.documentLimit) ?? [], name: "config.json")
    try Self.check(spec)
    let criu = try program()
    let images = try Bundle.absolute(options.images)
    try Files.makeDirectories(images, mode: 0o700)
    let call = CriuCall(options, images: images)
    var words = try call.dump(
      process.pid, rootfs: record.rootfs,
      external: try CriuMounts(spec, bundle: record.bundle).dumped(of: process.pid))
    if let number = Self.joinedNetwork(spec, of: process.pid) {
      words += ["--external", "net[\(number)]:\(CriuCall.networkKey)"]
    }
    if !options.isPreDump {
      let targets = (0...2).map { SymbolicLinks.read("/proc/\(process.pid)/fd/\($0)") ?? "" }
      try Files.replace(
        images + "/" + Self.descriptorsFile, with: Array(JSONValue.strings(targets).compact.utf8),
        mode: 0o600)
    }
    let outcome = try ProgramCall.run(criu, words, input: [], limit: 1 << 20)
    guard outcome.status == .exited(0) else {
      throw call.failure("checkpoint container", id, outcome.status, log: call.dumpLog)
    }
  }

  /// What criu's command line cannot bring back.
  static func check(_ spec: Spec) throws(Failure) {
    if spec.process?.terminal == true {
      throw Failure.field(
        "process.terminal", "minidock cannot checkpoint a container with a terminal",
        code: .unsupported)
    }
    for (index, entry) in (spec.linux?.namespaces ?? []).enumerated()
    where entry.path != nil && entry.type != "network" {
      throw Failure.field(
        "linux.namespaces[\(index)].path",
        "minidock cannot checkpoint a container in somebody's \(entry.type) namespace",
        code: .unsupported)
    }
  }

  // The inode of a network namespace that is somebody else's, and so is neither dumped nor made.
  private static func joinedNetwork(_ spec: Spec, of pid: Int32) -> UInt64? {
    let entry = (spec.linux?.namespaces ?? []).first { $0.type == "network" }
    guard entry?.path != nil else { return nil }
    return try? FileStatus("/proc/\(pid)/ns/net").inode
  }

  /// criu's path.
  func program() throws(Failure) -> String {
    if let path = ProgramCall.find(options.program) { return path }
    throw Failure(
      .notFound, "run", options.program, reason: "there is no such program",
      remedy: "install Debian's package criu, or name the program with --criu")
  }
}

/// criu's words (criu(8)).
struct CriuCall {
  let options: BundleCheckpoint.Options
  let images: String

  static let networkKey = "minidockNetwork"

  init(_ options: BundleCheckpoint.Options, images: String) {
    self.options = options
    self.images = images
  }

  var dumpLog: String { options.isPreDump ? "pre-dump.log" : "dump.log" }
  private var work: String { options.work ?? images }

  private func common(log: String, rootfs: String) -> [String] {
    var words = ["--images-dir", images, "--log-file", log, "-v4", "--root", rootfs]
    if let work = options.work { words += ["--work-dir", work] }
    words.append("--manage-cgroups" + (options.cgroupMode.map { "=" + $0 } ?? ""))
    words += options.flags.map { "--" + $0 }
    if options.leavesNetwork { words += ["--empty-ns", "net"] }
    return words
  }

  func dump(_ pid: Int32, rootfs: String, external: [String]) throws(Failure) -> [String] {
    var words = [options.isPreDump ? "pre-dump" : "dump", "--tree", String(pid)]
    words += common(log: dumpLog, rootfs: rootfs)
    // Without a program: minidock needs nf_tables anyway.
    words += ["--network-lock", "nftables"]
    if options.leavesRunning, !options.isPreDump { words.append("--leave-running") }
    if options.isPreDump || options.parent != nil { words.append("--track-mem") }
    if let parent = options.parent { words += ["--prev-images-dir", parent] }
    return words + external
  }

  func restore(rootfs: String, pidFile: String, cgroup: String, external: [String]) -> [String] {
    var words = ["restore", "--restore-detached", "--restore-sibling", "--pidfile", pidFile]
    words += common(log: "restore.log", rootfs: rootfs)
    if !cgroup.isEmpty { words += ["--cgroup-root", cgroup] }
    return words + external
  }

  /// What criu's log says, with where it is.
  func failure(
    _ operation: String, _ id: String, _ status: ExitStatus?, log: String
  ) -> Failure {
    let path = work + "/" + log
    let lines = (Files.text(path) ?? "").split(separator: "\n")
    // The first is the cause, the last ones say only that it failed.
    let error = lines.first { $0.contains("Error (") }.map(String.init)
    return Failure(
      .refused, operation, id,
      reason: "criu: \(error ?? "it ended with status \(status?.code ?? -1)")",
      remedy: "its log is \(path); criu check tells what the kernel lacks")
  }
}

/// The mounts that are the host's and not the container's own: criu only notes where they were.
struct CriuMounts {
  private let spec: Spec
  private let bundle: String

  init(_ spec: Spec, bundle: String) {
    self.spec = spec
    self.bundle = bundle
  }

  private var binds: [(target: String, source: String)] {
    (spec.mounts ?? []).compactMap { mount in
      guard let source = mount.source,
        mount.type == "bind" || MountOptions(mount.options ?? []).isBind
      else { return nil }
      return (
        mount.destination.tidyPath, source.hasPrefix("/") ? source : bundle + "/" + source
      )
    }
  }

  // A masked file is the null device, which every host has.
  private func masks(_ points: Set<String>) -> [String] {
    (spec.linux?.maskedPaths ?? []).map(\.tidyPath).filter { points.contains($0) }
  }

  /// The options of a dump.
  func dumped(of pid: Int32) throws(Failure) -> [String] {
    let mounts = MountInfo.parse(ControlDirectory.bytes(of: "/proc/\(pid)/mountinfo") ?? [])
    let files = mounts.filter { $0.root.hasSuffix("/null") }
    let names = binds.map(\.target) + masks(Set(files.map(\.mountPoint)))
    return names.flatMap { ["--external", "mnt[\($0)]:\($0)"] }
  }

  /// The options of a restore: also of masks that no mount stands for.
  func restored() -> [String] {
    binds.flatMap { ["--external", "mnt[\($0.target)]:\($0.source)"] }
      + (spec.linux?.maskedPaths ?? []).map(\.tidyPath).flatMap {
        ["--external", "mnt[\($0)]:/dev/null"]
      }
  }
}
