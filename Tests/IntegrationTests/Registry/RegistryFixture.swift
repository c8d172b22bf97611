import Linux
import TestSupport
import Testing

extension MinidockFixture {
  /// What the suites about registries need besides minidock.
  static let canServeRegistry =
    isAvailable && hasProgram("docker-registry") && hasProgram("openssl") && hasProgram("htpasswd")
    && hasProgram("python3")

  static let registryRequirement: Comment =
    "needs docker-registry, openssl, apache2-utils, python3, root and MINIDOCK_BINARY"

  /// Runs minidock with a configuration and a store of credentials of the fixture's own.
  @discardableResult
  func remote(
    _ arguments: [String], input: [UInt8] = [], environment: [String] = [],
    timeoutSeconds: Int = 60
  ) throws -> CommandResult {
    if !Files.exists(file("config.toml")) { try write("config.toml", "") }
    return try minidock(
      arguments, input: input,
      environment: [
        "MINIDOCK_CONFIG=\(file("config.toml"))", "DOCKER_CONFIG=\(file("docker"))",
        "HTTP_PROXY=", "HTTPS_PROXY=", "http_proxy=", "https_proxy=",
      ] + environment, timeoutSeconds: timeoutSeconds)
  }

  @discardableResult
  func remote(_ arguments: String...) throws -> CommandResult { try remote(arguments) }

  /// Starts a registry below the fixture's directory.
  func registry(
    _ name: String = "registry", user: String? = nil, withTLS: Bool = false, remote: String? = nil,
    withTokens: Bool = false
  ) throws -> RegistryServer {
    try RegistryServer(
      file(name), user: user, withTLS: withTLS, remote: remote, withTokens: withTokens)
  }
}

/// Fails the test with what a command said unless it has succeeded.
func expectSuccess(
  _ result: CommandResult, sourceLocation: SourceLocation = #_sourceLocation
) {
  #expect(
    result.status == 0, "\(result.output)\(result.errors)", sourceLocation: sourceLocation)
}
