import ArgumentParser
import Engine
import Linux

struct LogoutCommand: Command {
  static let configuration = CommandConfiguration(
    commandName: "logout",
    abstract: "Forget the credentials of a registry.",
    usage: "minidock logout [HOST]",
    discussion: """
      Example:
        minidock logout registry.example.com

      Without HOST it is Docker Hub.
      """)

  @Argument(help: "The registry.") var host = ""

  func execute(_ context: Context) throws(Failure) -> Int32 {
    let login = try RegistryLogin(host)
    let name = login.domain == "docker.io" ? "https://index.docker.io/v1/" : login.domain
    Console.print(
      try login.logOut() ? "Removing login credentials for \(name)" : "Not logged in to \(name)")
    return 0
  }
}
