import ArgumentParser
import Engine
import Linux

struct AttachCommand: Command {
  static let configuration = CommandConfiguration(
    commandName: "attach", _superCommandName: "minidock",
    abstract: "Follow a running container: its output, and its input when it takes any.",
    discussion: """
      Example:
        minidock attach web
        minidock attach --detach-keys ctrl-a,d shell

      Any number may be attached at the same time; a slow one never holds the container up. The exit \
      status is the command's; 0 after the detach keys (ctrl-p,ctrl-q unless others were given).
      """)

  @Option(help: ArgumentHelp("Keys that leave the terminal.", valueName: "keys"))
  var detachKeys: String?
  @Flag(help: "Pass no input on.") var noStdin = false
  @Option(help: ArgumentHelp("Pass signals on to the container.", valueName: "bool"))
  var sigProxy = true
  @Argument(help: ArgumentHelp("Name or id.", valueName: "container")) var container: String

  func execute(_ context: Context) throws(Failure) -> Int32 {
    let installation = try context.installation()
    context.sweep(installation)
    var attach = ContainerAttach(installation)
    attach.detachKeys = detachKeys
    attach.passesInput = !noStdin
    attach.signalProxy = sigProxy
    return try attach.attach(container)
  }
}
