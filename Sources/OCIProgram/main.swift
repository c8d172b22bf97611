import Linux
import OCI
import Runtime

// Every mode is given where a file is made; the caller's mask must not leak into containers.
ThisProcess.setMask(0)

let words = Array(CommandLine.arguments.dropFirst())
// The container's first process, which waits for this to be decided.
if words.first == "oci-init" { exitProcess(BundleInit.main(Array(words.dropFirst()))) }
exitProcess(OCIMain.run(words, moveLink: LinkErrand.send))
