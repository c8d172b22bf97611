import ArgumentParser
import Engine
import Linux

struct LoginCommand: Command {
  static let configuration = CommandConfiguration(
    commandName: "login",
    abstract: "Log in to a registry.",
    usage: "minidock login [OPTIONS] [HOST]",
    discussion: """
      Example:
        minidock login registry.example.com
        echo "$PASSWORD" | minidock login -u me --password-stdin registry.example.com:5000

      Without HOST it is Docker Hub. The registry is asked before anything is stored. The credentials are \
      docker's own: config.json in $DOCKER_CONFIG or ~/.docker, or the credential helper that it names.
      """)

  @Option(name: [.customShort("u"), .long], help: "User name.") var username: String?
  @Option(
    name: [.customShort("p"), .long],
    help: "Password or token; others may see it in the list of processes.")
  var password: String?
  @Flag(help: "Take the password from standard input.") var passwordStdin = false
  @Argument(help: "The registry.") var host = ""

  func execute(_ context: Context) throws(Failure) -> Int32 {
    let login = try RegistryLogin(host)
    if username == nil && password == nil && !passwordStdin {
      do throws(Failure) {
        _ = try login.logIn(user: "", password: "")
        Console.error("Authenticated with the stored credentials")
        Console.print("Login Succeeded")
        return 0
      } catch  where error.code == .notFound && error.operation == "log in to" {
        // Nobody has logged in there yet.
      } catch  where error.code == .refused && Terminal.isTerminal(0) {
        Console.error("minidock: \(error)")
      }
    }
    let (user, secret) = try credentials(login.domain)
    let warning = try login.logIn(user: user, password: secret)
    if !warning.isEmpty { Console.error("minidock: \(warning)") }
    Console.print("Login Succeeded")
    return 0
  }

  private func credentials(_ domain: String) throws(Failure) -> (user: String, secret: String) {
    func wrong(_ reason: String, _ remedy: String = "") -> Failure {
      Failure(.invalid, "log in to", domain, reason: reason, remedy: remedy)
    }
    if passwordStdin {
      guard password == nil else {
        throw wrong("--password and --password-stdin exclude each other")
      }
      guard let username, !username.isEmpty else {
        throw wrong("--password-stdin needs --username")
      }
      var bytes = try readToEnd(0, limit: 64 << 10, object: "standard input")
      while bytes.last == 0x0a || bytes.last == 0x0d { bytes.removeLast() }
      guard !bytes.isEmpty else { throw wrong("the password on standard input is empty") }
      return (username, String(decoding: bytes, as: UTF8.self))
    }
    if password != nil {
      Console.error("minidock: a password on the command line can be seen; use --password-stdin")
    }
    let canAsk = Terminal.isTerminal(0)
    guard canAsk || (username != nil && password != nil) else {
      throw wrong(
        "standard input is no terminal to ask for user and password",
        "give --username and --password-stdin")
    }
    guard let user = username ?? Prompt.ask("Username: "), !user.isEmpty else {
      throw wrong("the user name is empty")
    }
    guard let secret = password ?? Prompt.ask("Password: ", isSecret: true), !secret.isEmpty else {
      throw wrong("the password is empty")
    }
    guard !user.contains(":") else { throw wrong("a user name cannot hold a colon") }
    return (user, secret)
  }
}
