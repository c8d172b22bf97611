import ArgumentParser

// What `run --help` shows and the shells complete. RunDraft gives the flags their meaning.

/// Flags of `run` about the container as a whole.
struct ContainerFlags: ParsableArguments {
  @Flag(name: [.customShort("d"), .long], help: "Leave the container running and print its id.")
  var detach = false
  @Flag(help: "Remove the container when it exits.") var rm = false
  @Option(help: "Name of the container.") var name: String?
  @Option(
    name: [.customShort("l"), .long], parsing: .singleValue,
    help: ArgumentHelp("Label of the container.", valueName: "key=value"))
  var label: [String] = []
  @Option(help: ArgumentHelp("Write the container's id to this file.", valueName: "file"))
  var cidfile: String?
  @Option(help: ArgumentHelp("Fetch the image: always, missing or never.", valueName: "policy"))
  var pull = "missing"
  @Flag(name: [.customShort("q"), .long], help: "Show nothing of a pull.") var quiet = false
  @Option(help: ArgumentHelp("Platform that the image must be for.", valueName: "os/arch"))
  var platform: String?
  @Option(help: ArgumentHelp("Signal that stops the container.", valueName: "signal"))
  var stopSignal: String?
  @Option(help: ArgumentHelp("Time to end after the stop signal.", valueName: "seconds"))
  var stopTimeout: Int?
  @Option(
    help: ArgumentHelp(
      "Start it again when it ends: no, on-failure[:n], always, unless-stopped.",
      valueName: "policy"))
  var restart: String?
  @Option(help: ArgumentHelp("Keep what it prints: local or none.", valueName: "driver"))
  var logDriver: String?
  @Option(
    parsing: .singleValue,
    help: ArgumentHelp("max-size=10m or max-file=3 of the log.", valueName: "name=value"))
  var logOpt: [String] = []
  @Option(help: ArgumentHelp("Pass signals on to the container.", valueName: "bool"))
  var sigProxy = true
  @Flag(help: "Print to stderr where the time goes, step by step.") var trace = false
}

/// Flags of `run` about the command's process.
struct ProcessFlags: ParsableArguments {
  @Flag(name: [.customShort("i"), .long], help: "Keep the command's input open.")
  var interactive = false
  @Flag(name: [.customShort("t"), .long], help: "Give the command a terminal.") var tty = false
  @Option(
    name: [.customShort("e"), .long], parsing: .singleValue,
    help: ArgumentHelp("Environment variable.", valueName: "name=value"))
  var env: [String] = []
  @Option(
    parsing: .singleValue, help: ArgumentHelp("File of environment variables.", valueName: "file"))
  var envFile: [String] = []
  @Option(name: [.customShort("w"), .long], help: "Directory that the command starts in.")
  var workdir: String?
  @Option(
    name: [.customShort("u"), .long],
    help: ArgumentHelp("User, by name or number.", valueName: "user[:group]"))
  var user: String?
  @Option(help: ArgumentHelp("Replace the image's entrypoint.", valueName: "command"))
  var entrypoint: String?
  @Flag(name: .customLong("init"), help: "Run an init that reaps processes as pid 1.")
  var usesInit = false
  @Option(help: ArgumentHelp("Keys that leave the terminal.", valueName: "keys"))
  var detachKeys: String?
}

/// Flags of `run` about the test of the container's health.
struct HealthFlags: ParsableArguments {
  @Option(help: ArgumentHelp("Shell command that tests the health.", valueName: "command"))
  var healthCmd: String?
  @Option(help: ArgumentHelp("Time between two tests (30s).", valueName: "duration"))
  var healthInterval: String?
  @Option(help: ArgumentHelp("Time that a test may take (30s).", valueName: "duration"))
  var healthTimeout: String?
  @Option(help: ArgumentHelp("Failures in a row that mean unhealthy (3).", valueName: "number"))
  var healthRetries: String?
  @Option(help: ArgumentHelp("Time in which failures do not count.", valueName: "duration"))
  var healthStartPeriod: String?
  @Option(help: ArgumentHelp("Time between two tests then (5s).", valueName: "duration"))
  var healthStartInterval: String?
  @Option(
    help: ArgumentHelp(
      "What is done when unhealthy: none, kill, restart, stop.", valueName: "action"))
  var healthOnFailure: String?
  @Flag(help: "No test, not even the image's.") var noHealthcheck = false
}

/// Flags of `run` about what the container sees of file systems.
struct FileFlags: ParsableArguments {
  @Option(
    name: [.customShort("v"), .long], parsing: .singleValue,
    help: ArgumentHelp(
      "Mount a volume or host path.", valueName: "[name|host:]container[:ro,nocopy]"))
  var volume: [String] = []
  @Option(
    parsing: .singleValue,
    help: ArgumentHelp(
      "Volume, bind or tmpfs by fields.", valueName: "type=…,source=…,target=…"))
  var mount: [String] = []
  @Option(
    parsing: .singleValue,
    help: ArgumentHelp(
      "Volumes and binds of another container.", valueName: "container[:ro]"))
  var volumesFrom: [String] = []
  @Option(
    parsing: .singleValue,
    help: ArgumentHelp("Empty file system in memory.", valueName: "container[:options]"))
  var tmpfs: [String] = []
  @Flag(help: "Make the container's root read-only.") var readOnly = false
  @Option(help: ArgumentHelp("Size of /dev/shm.", valueName: "bytes")) var shmSize: String?
}

/// Flags of `run` about the network and names.
struct NetworkFlags: ParsableArguments {
  @Option(
    name: [.long, .customLong("net")], parsing: .singleValue,
    help: ArgumentHelp(
      "Network: a name, bridge, none, host or container:NAME; several are given one by one, also as "
        + "name=NAME,alias=NAME,ip=ADDRESS.",
      valueName: "network"))
  var network: [String] = []
  @Option(
    name: [.long, .customLong("net-alias")], parsing: .singleValue,
    help: ArgumentHelp("Further name on the network.", valueName: "name"))
  var networkAlias: [String] = []
  @Option(help: ArgumentHelp("IPv4 address on the network.", valueName: "address"))
  var ip: String?
  @Option(help: ArgumentHelp("IPv6 address on the network.", valueName: "address"))
  var ip6: String?
  @Option(help: ArgumentHelp("Ethernet address of eth0.", valueName: "address"))
  var macAddress: String?
  @Option(
    name: [.customShort("p"), .long], parsing: .singleValue,
    help: ArgumentHelp(
      "Let a port of the host lead to the container.",
      valueName: "[ip:][host-port:]port[/tcp|udp|sctp]"))
  var publish: [String] = []
  @Flag(
    name: [.customShort("P"), .long],
    help: "Publish the ports that the image and --expose name, on free ports.")
  var publishAll = false
  @Option(
    help: ArgumentHelp(
      "Host's address for ports without one (all; or $MINIDOCK_PUBLISH_DEFAULT).",
      valueName: "ip"))
  var publishDefault: String?
  @Option(
    parsing: .singleValue,
    help: ArgumentHelp("Name a port that -P publishes.", valueName: "port[/protocol]"))
  var expose: [String] = []
  @Option(
    name: [.customShort("h"), .long], help: ArgumentHelp("Host name.", valueName: "name"))
  var hostname: String?
  @Option(help: ArgumentHelp("NIS domain name.", valueName: "name")) var domainname: String?
  @Option(
    parsing: .singleValue,
    help: ArgumentHelp("Line of /etc/hosts.", valueName: "name:address"))
  var addHost: [String] = []
  @Option(parsing: .singleValue, help: ArgumentHelp("Name server.", valueName: "address"))
  var dns: [String] = []
  @Option(parsing: .singleValue, help: ArgumentHelp("Search domain.", valueName: "domain"))
  var dnsSearch: [String] = []
  @Option(
    name: [.long, .customLong("dns-opt")], parsing: .singleValue,
    help: ArgumentHelp("Resolver option.", valueName: "option"))
  var dnsOption: [String] = []
}

/// Flags of `run` about resources.
struct LimitFlags: ParsableArguments {
  @Option(
    name: [.customShort("m"), .long], help: ArgumentHelp("Memory limit.", valueName: "bytes"))
  var memory: String?
  @Option(help: ArgumentHelp("Memory and swap together; -1: no limit.", valueName: "bytes"))
  var memorySwap: String?
  @Option(help: ArgumentHelp("Soft memory limit.", valueName: "bytes"))
  var memoryReservation: String?
  @Option(help: ArgumentHelp("Number of processors.", valueName: "number")) var cpus: String?
  @Option(
    name: [.customShort("c"), .long],
    help: ArgumentHelp("Weight of processor time.", valueName: "shares"))
  var cpuShares: UInt64?
  @Option(help: ArgumentHelp("Processor time in each period.", valueName: "µs"))
  var cpuQuota: Int64?
  @Option(help: ArgumentHelp("Length of a period.", valueName: "µs")) var cpuPeriod: UInt64?
  @Option(help: ArgumentHelp("Processors to run on.", valueName: "0-2,7"))
  var cpusetCpus: String?
  @Option(help: ArgumentHelp("Memory nodes to use.", valueName: "0,1")) var cpusetMems: String?
  @Option(help: ArgumentHelp("Number of tasks; -1: no limit.", valueName: "number"))
  var pidsLimit: Int64?
  @Option(help: ArgumentHelp("Weight of block I/O, 10 to 1000.", valueName: "weight"))
  var blkioWeight: UInt16?
  @Option(
    parsing: .singleValue, help: ArgumentHelp("Limit of a process.", valueName: "type=soft[:hard]"))
  var ulimit: [String] = []
  @Option(help: ArgumentHelp("Likelihood of being killed for memory.", valueName: "-1000…1000"))
  var oomScoreAdj: Int?
  @Option(help: ArgumentHelp("Parent cgroup.", valueName: "path")) var cgroupParent: String?
  @Flag(help: "Do not kill the container when it is out of memory.") var oomKillDisable = false
}

/// Flags of `run` about rights.
struct SecurityFlags: ParsableArguments {
  @Option(parsing: .singleValue, help: ArgumentHelp("Add a capability.", valueName: "name"))
  var capAdd: [String] = []
  @Option(parsing: .singleValue, help: ArgumentHelp("Drop a capability.", valueName: "name"))
  var capDrop: [String] = []
  @Flag(help: "Give the container the host's rights and devices.") var privileged = false
  @Option(
    parsing: .singleValue,
    help: ArgumentHelp(
      "seccomp=FILE, seccomp=unconfined or no-new-privileges.", valueName: "option"))
  var securityOpt: [String] = []
  @Option(
    parsing: .singleValue,
    help: ArgumentHelp("Host device.", valueName: "host[:container][:rwm]"))
  var device: [String] = []
  @Option(
    parsing: .singleValue, help: ArgumentHelp("Kernel parameter.", valueName: "name=value"))
  var sysctl: [String] = []
  @Option(
    parsing: .singleValue, help: ArgumentHelp("Further group of the user.", valueName: "group"))
  var groupAdd: [String] = []
}
