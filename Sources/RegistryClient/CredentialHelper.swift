import Linux

/// A program that keeps credentials in the place that its system has for them
/// (docker-credential-helpers: `docker-credential-<name> get|store|erase`, JSON by standard input and
/// output).
struct CredentialHelper {
  let name: String

  init(_ name: String) { self.name = name }

  /// The credentials of a server; nil when the program has none.
  func get(_ server: String) throws(Failure) -> Credentials? {
    let outcome = try run("get", Array(server.utf8))
    let text = String(decoding: outcome.output, as: UTF8.self)
    guard outcome.status == .exited(0) else {
      // The one message that the protocol fixes.
      if text.contains("credentials not found") { return nil }
      throw failed("get", outcome)
    }
    guard let document = JSONValue.parse(outcome.output), let secret = document["Secret"]?.string
    else {
      throw Failure(
        .corrupt, "read credentials from", program, reason: "it answered no JSON with a Secret")
    }
    let user = document["Username"]?.string ?? ""
    return user == "<token>"
      ? Credentials(user: "", password: "", identityToken: secret)
      : Credentials(user: user, password: secret)
  }

  /// Stores the credentials of a server.
  func store(_ credentials: Credentials, for server: String) throws(Failure) {
    let isToken = !credentials.identityToken.isEmpty
    let document = JSONValue.object([
      "ServerURL": .string(server),
      "Username": .string(isToken ? "<token>" : credentials.user),
      "Secret": .string(isToken ? credentials.identityToken : credentials.password),
    ])
    let outcome = try run("store", document.bytes)
    guard outcome.status == .exited(0) else { throw failed("store", outcome) }
  }

  /// Forgets the credentials of a server.
  func erase(_ server: String) throws(Failure) {
    let outcome = try run("erase", Array(server.utf8))
    guard outcome.status == .exited(0) else { throw failed("erase", outcome) }
  }

  private var program: String { "docker-credential-" + name }

  private func run(_ verb: String, _ input: [UInt8]) throws(Failure) -> ProgramCall.Outcome {
    guard !name.contains("/"), let path = ProgramCall.find(program) else {
      throw Failure(
        .notFound, "find credential helper", program, reason: "docker's config.json names it",
        remedy: "install it, or remove it from credsStore or credHelpers")
    }
    return try ProgramCall.run(path, [verb], input: input, limit: 1 << 20)
  }

  // What it printed may hold a secret only when it succeeded.
  private func failed(_ verb: String, _ outcome: ProgramCall.Outcome) -> Failure {
    let text =
      String(decoding: outcome.output.prefix(200), as: UTF8.self)
      .split(separator: "\n").first.map(String.init) ?? ""
    return Failure(
      .refused, "\(verb) credentials by", program,
      reason: text.isEmpty ? "it failed with status \(outcome.status.code)" : text)
  }
}
