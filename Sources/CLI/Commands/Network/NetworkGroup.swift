import ArgumentParser
import Engine
import Linux

struct NetworkGroup: CommandGroup {
  static let configuration = CommandConfiguration(
    commandName: "network", _superCommandName: "minidock",
    abstract: "Make, list and remove networks, and connect containers.",
    discussion: """
      Example:
        minidock network create front
        minidock run -d --name web --network front busybox httpd -f
        minidock run --rm --network front busybox wget -qO- http://web/

      Containers of one network reach one another by name; networks do not reach one another.
      """,
    subcommands: [
      NetworkConnectCommand.self, NetworkCreateCommand.self, NetworkDisconnectCommand.self,
      NetworkInspectCommand.self, NetworkLsCommand.self, NetworkPruneCommand.self,
      NetworkRmCommand.self,
    ])
}
