import Linux
import RegistryClient

// minidock-registry: speaks to registries for minidock, which starts it with a socket as descriptor 3 and
// its own process id as the only argument. It is of no use to anybody else.

ThisProcess.handle(Signal.pipe, ignoring: true)
let words = CommandLine.arguments
guard words.count == 2, let parent = Int32(words[1]), (try? FileKind.of(3)) == .socket else {
  Console.error(
    "minidock-registry: this program is started by minidock pull, push, login and search")
  exitProcess(2)
}
guard (try? Confinement.dieWithParent(parent)) != nil else { exitProcess(1) }
ThisProcess.closeAtExec(3)
exitProcess(RegistryService(MessageSocket(Descriptor(owning: 3))).run())
