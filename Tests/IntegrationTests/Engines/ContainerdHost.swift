import Glibc
import Linux
import TestSupport
import Testing

/// A node on which containerd runs, with minidock as the runtime class "minidock" of its CRI plugin.
final class ContainerdHost {
  /// Whether Debian's containerd is here.
  static let isInstalled = hasProgram("containerd") && hasProgram("ctr")
  /// What a disabled test says.
  static let requirement: Comment = "needs containerd and ctr (Debian: containerd)"
  /// The image's name; its command sleeps, as that of a pod's sandbox does.
  static let image = "docker.io/library/busybox:latest"

  /// The machine.
  let node: EngineNode
  private let daemon: BackgroundProcess

  /// Starts containerd and imports the bundled busybox, as `minidock save` writes it, in a namespace.
  init(_ label: String, namespace: String = "default") throws {
    node = try EngineNode(label)
    // What a machine of a cluster has in /etc/containerd/config.toml; docs/at-scale.md shows it.
    let configuration = """
      version = 2
      root = "\(node.directory)/containerd"
      state = "/run/containerd"
      [plugins."io.containerd.grpc.v1.cri"]
        # Root of a virtual machine may not lower it.
        restrict_oom_score_adj = true
        sandbox_image = "\(ContainerdHost.image)"
        [plugins."io.containerd.grpc.v1.cri".cni]
          bin_dir = "/usr/lib/cni"
          conf_dir = "\(node.directory)/cni"
        [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
          runtime_type = "io.containerd.runc.v2"
        [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.minidock]
          runtime_type = "io.containerd.runc.v2"
          [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.minidock.options]
            BinaryName = "\(node.runtime)"
      """
    let network = """
      {
        "cniVersion": "1.0.0", "name": "pods",
        "plugins": [{
          "type": "bridge", "bridge": "pods", "isGateway": true,
          "ipam": {
            "type": "host-local", "dataDir": "/run/cni",
            "ranges": [[{"subnet": "10.231.99.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]
          }
        }]
      }
      """
    let path = node.directory + "/containerd.toml"
    try Files.replace(path, with: Array(configuration.utf8), mode: 0o644)
    try Files.makeDirectories(node.directory + "/cni", mode: 0o755)
    try Files.replace(
      node.directory + "/cni/pods.conflist", with: Array(network.utf8), mode: 0o644)
    daemon = try node.start(["containerd", "--config", path])
    try node.wait("containerd") { [daemon, node] in
      if let ended = try daemon.poll() {
        Issue.record("containerd ended: \(ended.errors.suffix(4000))")
        throw Failure(.invalid, "start", "containerd", reason: "it ended")
      }
      return try node.run(["ctr", "version"]).status == 0
    }
    let fixture = try MinidockFixture(label)
    try fixture.succeed(
      "import", "--change", "ENV PATH=/sbin:/bin:/usr/sbin:/usr/bin", "--change",
      #"CMD ["sleep", "100000"]"#,
      String(cString: getenv("MINIDOCK_IMAGES")) + "/busybox.tar", "busybox")
    try fixture.succeed("save", "-o", node.directory + "/image.tar", "busybox")
    try node.succeed([
      "ctr", "-n", namespace, "images", "import", "--base-name", "docker.io/library/busybox",
      node.directory + "/image.tar",
    ])
  }

  /// Runs `ctr WORDS`.
  func ctr(_ words: String..., input: [UInt8] = []) throws -> CommandResult {
    try node.run(["ctr"] + words, input: input)
  }

  /// Runs `ctr WORDS`, which must end well; returns its output without the last line feed.
  @discardableResult
  func succeed(
    _ words: String..., sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> String {
    try node.succeed(["ctr"] + words, sourceLocation: sourceLocation)
  }

  /// Runs a command in a container of its own to its end, with options of `ctr run` before it.
  func run(_ id: String, _ options: [String], _ command: String...) throws -> CommandResult {
    try node.run(
      ["ctr", "run", "--rm", "--runc-binary", node.runtime] + options
        + [ContainerdHost.image, id] + command)
  }

  /// What containerd has said so far, for messages.
  var log: String { String(daemon.errors.suffix(6000)) }

  /// Checks that containers which are gone have left nothing.
  func expectNoLeaks(sourceLocation: SourceLocation = #_sourceLocation) throws {
    try node.expectNoLeaks(roots: "/run/containerd/runc/*", sourceLocation: sourceLocation)
  }
}
