import Glibc
import Linux
import TestSupport
import Testing

/// A node on which dockerd runs with minidock as its default runtime, with its own containerd.
final class DockerHost {
  /// Whether Debian's docker.io is here.
  static let isInstalled = hasProgram("dockerd") && hasProgram("docker")
  /// What a disabled test says.
  static let requirement: Comment = "needs dockerd and docker (Debian: docker.io)"

  /// The machine.
  let node: EngineNode
  private let daemon: BackgroundProcess

  /// Starts dockerd and loads the bundled busybox as an image of this name.
  ///
  /// - Parameter link: a link that becomes eth0 of the node, and its address, for a node among several.
  init(_ label: String, link: (name: String, address: String)? = nil) throws {
    node = try EngineNode(label)
    if let link { try node.join(link: link.name, as: "eth0", address: link.address) }
    let configuration = """
      {
        "data-root": "\(node.directory)/data",
        "exec-root": "/run/docker",
        "pidfile": "/run/docker.pid",
        "hosts": ["unix:///run/docker.sock"],
        "storage-driver": "overlay2",
        "exec-opts": ["native.cgroupdriver=cgroupfs"],
        "runtimes": {"minidock": {"path": "\(node.runtime)"}},
        "default-runtime": "minidock"
      }
      """
    let path = node.directory + "/daemon.json"
    try Files.replace(path, with: Array(configuration.utf8), mode: 0o644)
    daemon = try node.start(["dockerd", "--config-file", path])
    let daemon = daemon
    try node.wait("dockerd") {
      if let ended = try daemon.poll() {
        Issue.record("dockerd ended: \(ended.errors.suffix(4000))")
        throw Failure(.invalid, "start", "dockerd", reason: "it ended")
      }
      return try node.run(["docker", "info"]).status == 0
    }
    let image = String(cString: getenv("MINIDOCK_IMAGES")) + "/busybox.tar"
    try succeed("import", image, "busybox")
  }

  /// Runs `docker WORDS`, which must end well; returns its output without the last line feed.
  @discardableResult
  func succeed(
    _ words: String..., sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> String {
    try node.succeed(["docker"] + words, sourceLocation: sourceLocation)
  }

  /// Runs `docker WORDS`.
  func docker(_ words: String..., input: [UInt8] = []) throws -> CommandResult {
    try node.run(["docker"] + words, input: input)
  }

  /// What dockerd and its containerd have said so far, for messages.
  var log: String { String(daemon.errors.suffix(6000)) }

  /// Checks that containers which are gone have left nothing.
  func expectNoLeaks(sourceLocation: SourceLocation = #_sourceLocation) throws {
    try node.expectNoLeaks(
      roots: "/run/docker/runtime-*/*", sourceLocation: sourceLocation)
  }
}
