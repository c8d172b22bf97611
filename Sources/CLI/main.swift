import Engine
import Linux
import Net
import OCI
import Runtime

// Every mode is given where a file is made; the caller's mask must not leak into containers.
ThisProcess.setMask(0)

// `init` is the first process of a container: decided here, before anything else is set up, because
// every run waits for it.
if CommandLine.arguments.count > 1 && CommandLine.arguments[1] == "init" {
  exitProcess(ContainerInit.main())
}
if CommandLine.arguments.count > 1 && CommandLine.arguments[1] == "oci-init" {
  exitProcess(BundleInit.main(Array(CommandLine.arguments.dropFirst(2))))
}
if OCIMain.isName(CommandLine.arguments[0]) {
  exitProcess(
    OCIMain.run(Array(CommandLine.arguments.dropFirst()), moveLink: LinkTransfer.move))
}
if CommandLine.arguments.count > 1 && CommandLine.arguments[1] == "oci" {
  exitProcess(
    OCIMain.run(Array(CommandLine.arguments.dropFirst(2)), moveLink: LinkTransfer.move))
}
if CommandLine.arguments.count > 1 && CommandLine.arguments[1] == LinkErrand.verb {
  exitProcess(LinkErrand.run(Array(CommandLine.arguments.dropFirst(2)), LinkTransfer.move))
}
if CommandLine.arguments.count > 2 && CommandLine.arguments[1] == "monitor" {
  exitProcess(MonitorProcess.resume(Array(CommandLine.arguments.dropFirst(2))))
}
exitProcess(CommandDispatch(CommandLine.arguments).run())
