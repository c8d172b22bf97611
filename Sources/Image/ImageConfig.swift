/// What an image says about running it (OCI image-spec, config.md, "config").
public struct ImageConfig: Sendable, Equatable {
  /// "NAME=value", in order.
  public var env: [String]
  /// Default arguments of the entry point, or the command itself.
  public var cmd: [String]
  /// The program that is always run, with its first arguments.
  public var entrypoint: [String]
  /// "user[:group]" by name or number; empty for root.
  public var user: String
  /// Working directory; empty for "/".
  public var workingDir: String
  /// Labels; inert data that never drives the engine (row 29).
  public var labels: [String: String]
  /// Paths that become volumes.
  public var volumes: [String]
  /// "80/tcp".
  public var exposedPorts: [String]
  /// The signal that stops a container, nil for SIGTERM.
  public var stopSignal: String?
  /// How its health is tested, nil for not at all.
  public var healthcheck: Healthcheck?

  /// A configuration; everything may be left out.
  public init(
    env: [String] = [], cmd: [String] = [], entrypoint: [String] = [], user: String = "",
    workingDir: String = "", labels: [String: String] = [:], volumes: [String] = [],
    exposedPorts: [String] = [], stopSignal: String? = nil,
    healthcheck: Healthcheck? = nil
  ) {
    self.env = env
    self.cmd = cmd
    self.entrypoint = entrypoint
    self.user = user
    self.workingDir = workingDir
    self.labels = labels
    self.volumes = volumes
    self.exposedPorts = exposedPorts
    self.stopSignal = stopSignal
    self.healthcheck = healthcheck
  }
}
