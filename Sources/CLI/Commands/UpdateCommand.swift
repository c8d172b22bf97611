import ArgumentParser
import Engine
import Linux

struct UpdateCommand: Command {
  static let configuration = CommandConfiguration(
    commandName: "update", _superCommandName: "minidock",
    abstract: "Change limits and restart policy of containers, at once where they run.",
    discussion: """
      Example:
        minidock update -m 256m --cpus 1.5 web
        minidock update --restart unless-stopped web database
      """)

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
    help: ArgumentHelp(
      "no, on-failure[:n], always or unless-stopped.", valueName: "policy"))
  var restart: String?
  @Argument(help: ArgumentHelp("Names or ids.", valueName: "container")) var containers: [String]

  func execute(_ context: Context) throws(Failure) -> Int32 {
    var flags = ResourceFlags()
    flags.memory = memory
    flags.memorySwap = memorySwap
    flags.memoryReservation = memoryReservation
    flags.cpus = cpus
    flags.cpuShares = cpuShares
    flags.cpuQuota = cpuQuota
    flags.cpuPeriod = cpuPeriod
    flags.cpusetCPUs = cpusetCpus
    flags.cpusetMems = cpusetMems
    flags.pidsLimit = pidsLimit
    flags.blkioWeight = blkioWeight
    let installation = try context.installation()
    context.sweep(installation)
    var update = ContainerUpdate(installation)
    update.flags = flags
    update.restart = try restart.map { text throws(Failure) in try RestartPolicy(text) }
    return context.each(containers) { name throws(Failure) in
      try update.update(name)
      Console.print(name)
    }
  }
}
