import Glibc
import Linux
import TestSupport
import Testing

@testable import Net

@Suite(
  "Connection tracking",
  .enabled(if: canMakeNetworks && hasProgram("python3"), "needs root, ip, nft, busybox and python3")
)
struct TrackingTests {
  /// What the host keeps of connections to a port.
  private func tracked(_ host: TestHost, _ port: UInt16) throws -> Int {
    let table = try host.namespace.inside { Files.text("/proc/thread-self/net/nf_conntrack") ?? "" }
    return table.ranges(of: "dport=\(port) ").count
  }

  @Test(
    "What neighbours send one another is not tracked, what comes and goes otherwise is",
    .enabled(if: Files.exists("/proc/net/nf_conntrack"), "needs /proc/net/nf_conntrack"))
  func neighbours() throws {
    let host = try TestHost()
    let outside = try TestNamespace()
    try host.namespace.connect("lan", "192.0.2.1/24", to: outside, "192.0.2.2/24")
    let server = try host.container("server", ports: [published(8080, 80)])
    let other = try host.container("other")
    try server.namespace.answerWithSender(port: 80)
    try outside.answerWithSender(port: 7)
    let address = "\(server.lease.address)"
    #expect(try other.namespace.seen(by: address, port: 80) == "\(other.lease.address)")
    #expect(try tracked(host, 80) == 0)
    // By the host's address: an answer has to be translated back.
    let gateway = "\(server.lease.gateway)"
    #expect(try other.namespace.seen(by: "192.0.2.1", port: 8080) == gateway)
    #expect(try outside.seen(by: "192.0.2.1", port: 8080) == "192.0.2.2")
    #expect(try tracked(host, 8080) > 0)
    #expect(try other.namespace.seen(by: "192.0.2.2", port: 7) == "192.0.2.1")
    #expect(try tracked(host, 7) > 0)
    // One that has gone is no neighbour any more.
    try host.namespace.inside {
      try host.network.firewall.removeEndpoint(server.lease.address, owner: "server")
    }
    #expect(try !host.rules().contains("\(host.network.device)\" . \(address)"))
  }

  /// The kernel need not have SCTP to translate it: packets made by hand.
  @Test("A published SCTP port is translated, and the client's address stays")
  func sctp() throws {
    let host = try TestHost()
    let client = try TestNamespace()
    try host.namespace.connect("lan", "192.0.2.1/24", to: client, "192.0.2.2/24")
    let server = try host.container("server", ports: [published(8080, 80, .sctp)])
    let script = """
      import socket, struct, sys, time
      def crc32c(data):
          crc = 0xffffffff
          for byte in data:
              crc ^= byte
              for _ in range(8): crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
          return crc ^ 0xffffffff
      s = socket.socket(socket.AF_INET, socket.SOCK_RAW, 132)
      if sys.argv[1] == "hear":
          s.settimeout(60)
          print("ready", flush=True)
          packet, peer = s.recvfrom(200)
          print(peer[0], struct.unpack("!H", packet[22:24])[0], flush=True)
      else:
          init = struct.pack("!BBHIIHHI", 1, 0, 20, 7, 65536, 1, 1, 1)
          head = struct.pack("!HHI", 5000, 8080, 0)
          sum = struct.pack("<I", crc32c(head + bytes(4) + init))
          for _ in range(600):
              s.sendto(head + sum + init, (sys.argv[2], 0))
              time.sleep(0.1)
      """
    let ears = try server.namespace.inside {
      try BackgroundProcess(["python3", "-c", script, "hear"])
    }
    try #require(try ears.wait(untilOutput: { $0.contains("ready") }, timeoutSeconds: 60))
    let mouth = try client.inside {
      try BackgroundProcess(["python3", "-c", script, "say", "192.0.2.1"])
    }
    defer { mouth.signal(SIGKILL) }
    #expect(
      try ears.wait(untilOutput: { $0.contains("192.0.2.2 80") }, timeoutSeconds: 60),
      "\(ears.output)\(ears.errors)")
  }
}
