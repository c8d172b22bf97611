import Image
import Linux
import Runtime

/// Engine's durable description of a container, fixed when it is created.
public struct ContainerRecord: Sendable, Equatable {
  /// 64 hexadecimal digits.
  public var id = ""
  /// Unique in the installation; without the slash that docker's inspect puts in front.
  public var name = ""
  /// By the host's clock; lists are sorted by it.
  public var created = Timestamp(nanoseconds: 0)
  /// The image as the user named it, and the digest of its config.
  public var image = ""
  /// "sha256:" and 64 digits: it stays when the image's name moves to another one.
  public var imageID = ""
  /// The command with its arguments, the entrypoint first.
  public var command: [String] = []
  /// "NAME=value", the image's and the user's entries merged.
  public var environment: [String] = []
  /// An absolute path in the container.
  public var workingDirectory = "/"
  /// As given or as in the image, not looked up yet: "www-data", "1000:100"; "" is root.
  public var user = ""
  /// The short id unless another was asked for, the host's on the host's network.
  public var hostname = ""
  /// The image's and the user's, sorted by key; the user's win.
  public var labels: [(key: String, value: String)] = []
  /// docker's `--rm`: all of the container goes when it ends.
  public var autoRemove = false
  /// docker's `-i`: the command's input stays open.
  public var interactive = false
  /// docker's `-t`: the command has a terminal.
  public var terminal = false
  /// docker's `--network`. Its bridge address is given back at the end.
  public var network = NetworkMode.bridge
  /// The networks that it is connected to whenever it runs, and what it asks for there.
  public var attachments = [NetworkAttachment("bridge")]
  /// The ports that its image and `--expose` name and that `-p` publishes, as "80/tcp", sorted.
  public var exposed: [String] = []
  /// docker's `--privileged`; see ``RunOptions/privileged``.
  public var privileged = false
  /// docker's `--read-only`; see ``RunOptions/readOnly``.
  public var readOnly = false
  /// docker's `--init`: the command is a child of a small pid 1.
  public var usesInit = false
  /// A name such as "SIGTERM", or for a real-time signal the text that was given.
  public var stopSignal = "SIGTERM"
  /// Bytes; 0 is no limit.
  public var memory: Int64 = 0
  /// Bytes of memory and swap together; -1 is no limit, 0 is not set.
  public var memorySwap: Int64 = 0
  /// Bytes of the soft limit; 0 is not set.
  public var memoryReservation: Int64 = 0
  /// Billionths of a processor, from quota and period; 0 is no limit.
  public var nanoCPUs: Int64 = 0
  /// The weight of cgroup v1, 2 to 262144; 0 is the kernel's default.
  public var cpuShares: UInt64 = 0
  /// Processors to run on, such as "0-2,7"; "" is all.
  public var cpusetCPUs = ""
  /// The most tasks; -1 is no limit, 0 is not set.
  public var pidsLimit: Int64 = 0
  /// Bytes of /dev/shm.
  public var shmSize: Int64 = 0
  /// As given to `--cap-add`, "ALL" among them.
  public var capabilitiesAdded: [String] = []
  /// As given to `--cap-drop`, "ALL" among them.
  public var capabilitiesDropped: [String] = []
  /// "source:target:mode" of every bind.
  public var binds: [String] = []
  /// Targets of every tmpfs.
  public var tmpfs: [String] = []
  /// The group's path below each hierarchy's mount point: "/minidock/ID".
  public var cgroupPath = ""
  /// How many words of the command are the entrypoint.
  public var entrypointCount = 0
  /// Whether ``RunOptions/health`` has a test; what it says stands in a file of its own.
  public var hasHealthTest = false
  /// Its volumes, each as ``MountedVolume`` reads it.
  public var volumes: [String] = []
  /// The process that made it: while that lives, the container is about to start.
  var creator: ProcessIdentity?
  /// The boot of the machine in which that was.
  var boot = ""

  /// An empty record.
  public init() {}

  /// The first 12 digits of the id, as docker's tables show it.
  public var shortID: String { String(Substring(id.utf8.prefix(12))) }

  /// Whether the process that made it still runs: a pid and its start time may come again after a reboot.
  var creatorIsAlive: Bool {
    creator?.isAlive == true && boot == Processes.bootIdentity()
  }

  /// As a file.
  var fields: FieldText {
    var text = FieldText()
    text.add("id", id)
    text.add("name", name)
    text.add("created", created.nanoseconds)
    text.add("image", image)
    text.add("image-id", imageID)
    text.add("command", command)
    text.add("entrypoint-count", entrypointCount)
    text.add("env", environment)
    text.add("cwd", workingDirectory)
    text.add("user", user)
    text.add("hostname", hostname)
    for (key, value) in labels { text.add("label", "\(key)=\(value)") }
    for (key, flag) in flags where flag { text.add("flag", key) }
    text.add("network", network.name)
    for attachment in attachments { text.add("attachment", attachment.field) }
    text.add("exposed", exposed)
    text.add("stop-signal", stopSignal)
    for (key, value) in numbers where value != 0 { text.add(key, value) }
    if !cpusetCPUs.isEmpty { text.add("cpuset-cpus", cpusetCPUs) }
    text.add("cap-add", capabilitiesAdded)
    text.add("cap-drop", capabilitiesDropped)
    text.add("bind", binds)
    text.add("tmpfs", tmpfs)
    text.add("volume", volumes)
    text.add("cgroup", cgroupPath)
    text.add("creator", creator?.field)
    text.add("boot", boot)
    return text
  }

  private var flags: [(String, Bool)] {
    [
      ("auto-remove", autoRemove), ("interactive", interactive), ("terminal", terminal),
      ("privileged", privileged), ("read-only", readOnly), ("init", usesInit),
      ("health", hasHealthTest),
    ]
  }

  private var numbers: [(String, Int64)] {
    [
      ("memory", memory), ("memory-swap", memorySwap), ("memory-reservation", memoryReservation),
      ("nano-cpus", nanoCPUs), ("cpu-shares", Int64(clamping: cpuShares)),
      ("pids-limit", pidsLimit), ("shm-size", shmSize),
    ]
  }

  /// From a file.
  ///
  /// - Throws: ``Failure/Code/corrupt`` when the id is missing.
  init(_ text: FieldText, path: String) throws(Failure) {
    guard let id = text["id"], id.utf8.count == 64 else {
      throw Failure(
        .corrupt, "read", path, reason: "it has no container id",
        remedy: "remove the container with minidock rm")
    }
    self.id = id
    name = text["name"] ?? ""
    created = Timestamp(nanoseconds: text.number("created") ?? 0)
    image = text["image"] ?? ""
    imageID = text["image-id"] ?? ""
    command = text.all("command")
    entrypointCount = text.number("entrypoint-count") ?? 0
    environment = text.all("env")
    workingDirectory = text["cwd"] ?? "/"
    user = text["user"] ?? ""
    hostname = text["hostname"] ?? ""
    labels = text.all("label").map { line in
      let parts = line.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      return (String(parts[0]), parts.count == 2 ? String(parts[1]) : "")
    }
    let flags = text.all("flag")
    autoRemove = flags.contains("auto-remove")
    interactive = flags.contains("interactive")
    terminal = flags.contains("terminal")
    privileged = flags.contains("privileged")
    readOnly = flags.contains("read-only")
    usesInit = flags.contains("init")
    hasHealthTest = flags.contains("health")
    network = (try? NetworkMode(text["network"] ?? "bridge")) ?? .bridge
    attachments = text.all("attachment").map(NetworkAttachment.init(field:))
    // As records were written before there were other networks.
    if attachments.isEmpty && network == .bridge { attachments = [NetworkAttachment("bridge")] }
    exposed = text.all("exposed")
    stopSignal = text["stop-signal"] ?? "SIGTERM"
    memory = text.number("memory") ?? 0
    memorySwap = text.number("memory-swap") ?? 0
    memoryReservation = text.number("memory-reservation") ?? 0
    nanoCPUs = text.number("nano-cpus") ?? 0
    cpuShares = text.number("cpu-shares") ?? 0
    cpusetCPUs = text["cpuset-cpus"] ?? ""
    pidsLimit = text.number("pids-limit") ?? 0
    shmSize = text.number("shm-size") ?? 0
    capabilitiesAdded = text.all("cap-add")
    capabilitiesDropped = text.all("cap-drop")
    binds = text.all("bind")
    tmpfs = text.all("tmpfs")
    volumes = text.all("volume")
    cgroupPath = text["cgroup"] ?? ""
    creator = ProcessIdentity(field: text["creator"])
    boot = text["boot"] ?? ""
  }

  /// Equal when the same would be written to disk.
  public static func == (a: ContainerRecord, b: ContainerRecord) -> Bool { a.fields == b.fields }
}
