import ArgumentParser
import Linux
import Net
import OCI

/// Shows `oci` among minidock's commands; its words are ``OCIMain``'s.
struct OCICommand: Command {
  static let configuration = CommandConfiguration(
    commandName: "oci",
    abstract: "Run OCI bundles for an engine: create, start, state, kill, delete …",
    usage: "minidock oci [OPTIONS] COMMAND [OPTIONS] [ARG...]",
    discussion: """
      The words are runc's; 'minidock oci --help' lists them, docs/oci-runtime.md tells of each. Engines \
      call minidock-oci, a smaller program with the same words; minidock under that name, or runc's, is one.

      Example:
        minidock oci run --bundle /tmp/bundle first
      """)

  @Argument(parsing: .captureForPassthrough, help: "A command and its words.")
  var words: [String] = []

  func execute(_ context: Context) throws(Failure) -> Int32 {
    OCIMain.run(words, moveLink: LinkTransfer.move)
  }
}
