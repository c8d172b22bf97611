import Engine
import Linux
import Net
import Testing

@Suite("Published ports as they are asked for")
struct PortRequestTests {
  private func request(
    _ host: ClosedRange<UInt16>?, _ port: UInt16, _ transport: TransportProtocol = .tcp,
    at address: String? = nil
  ) -> PortRequest {
    PortRequest(
      address: address.flatMap { PublishedPort.HostAddress($0) }, hostPorts: host,
      containerPort: port, transport: transport)
  }

  @Test("Docker's forms mean what they mean there")
  func forms() throws {
    let table: [(String, [PortRequest])] = [
      ("80", [request(nil, 80)]),
      ("0:80", [request(nil, 80)]),
      ("8080:80", [request(8080...8080, 80)]),
      ("8080:80/udp", [request(8080...8080, 80, .udp)]),
      ("8080:80/SCTP", [request(8080...8080, 80, .sctp)]),
      ("127.0.0.1:8080:80", [request(8080...8080, 80, at: "127.0.0.1")]),
      ("127.0.0.1::80", [request(nil, 80, at: "127.0.0.1")]),
      (":8080:80", [request(8080...8080, 80)]),
      ("[::1]:8080:80", [request(8080...8080, 80, at: "::1")]),
      ("[fd00::7]::80/tcp", [request(nil, 80, at: "fd00::7")]),
      ("8000-8001:80", [request(8000...8001, 80)]),
      ("8000-8001:90-91", [request(8000...8000, 90), request(8001...8001, 91)]),
      ("90-91", [request(nil, 90), request(nil, 91)]),
      ("65535:65535", [request(65535...65535, 65535)]),
    ]
    for (text, wanted) in table {
      #expect(try PortRequest.parse(publish: text) == wanted, "\(text)")
    }
  }

  @Test("A wrong flag is one line that names its wrong part")
  func mistakes() {
    let table: [(String, String)] = [
      ("", "the container port is missing"),
      ("x", "container port 'x' is not 1 to 65535"),
      ("0", "container port '0' is not 1 to 65535"),
      ("65536", "container port '65536' is not 1 to 65535"),
      ("+80", "container port '+80' is not 1 to 65535"),
      ("80:", "the container port is missing"),
      ("a:80", "host port 'a' is not 1 to 65535"),
      ("70000:80", "host port '70000' is not 1 to 65535"),
      ("80/icmp", "'icmp' is not tcp, udp or sctp"),
      ("80/", "'' is not tcp, udp or sctp"),
      ("localhost:80:80", "'localhost' is not an IP address of the host"),
      ("1.2.3:80:80", "'1.2.3' is not an IP address of the host"),
      ("256.1.1.1:80:80", "'256.1.1.1' is not an IP address of the host"),
      ("::1:80:80", "an IPv6 address needs brackets"),
      ("[::1:80:80", "'[' is not closed by ']'"),
      ("[1.2.3.4]:80:80", "'1.2.3.4' in brackets is not an IPv6 address"),
      ("[::1]", "no port follows the address"),
      ("[::1]80", "no port follows the address"),
      ("[::1]:80", "no container port follows '80'"),
      ("1-2-3:80", "host port '1-2-3' is no range"),
      ("9-8:80", "host port range '9-8' runs backwards"),
      ("80-82:90-91", "3 host ports cannot lead to 2 container ports"),
      ("80:90-91", "1 host port cannot lead to 2 container ports"),
      ("1:2:3:4", "an IPv6 address needs brackets"),
    ]
    for (text, reason) in table {
      let failure = #expect(throws: Failure.self, "\(text)") {
        try PortRequest.parse(publish: text)
      }
      #expect(failure?.reason == reason, "\(text)")
      #expect(failure?.object == "--publish=\(text)")
    }
    for text in ["", "x", "80/x", "5-4"] {
      #expect(throws: Failure.self, "\(text)") { try PortRequest.parse(expose: text) }
    }
    for text in ["", "x", "1.2.3.4:80", "[1.2.3.4", "localhost"] {
      #expect(throws: Failure.self, "\(text)") { try PortRequest.parse(defaultAddress: text) }
    }
  }

  @Test("The PORTS column is docker's, neighbours as a range")
  func column() throws {
    func port(_ address: String, _ host: UInt16, _ own: UInt16) throws -> PublishedPort {
      PublishedPort(
        address: try #require(PublishedPort.HostAddress(address)), hostPort: host,
        containerPort: own, transport: .tcp)
    }
    #expect(PortTexts.column([], exposed: []) == "")
    #expect(PortTexts.column([], exposed: ["443/tcp", "80/tcp"]) == "80/tcp, 443/tcp")
    #expect(
      PortTexts.column(
        [try port("::", 8080, 80), try port("0.0.0.0", 8080, 80)], exposed: ["443/tcp", "80/tcp"])
        == "0.0.0.0:8080->80/tcp, [::]:8080->80/tcp, 443/tcp")
    #expect(
      PortTexts.column(
        [
          try port("127.0.0.1", 8001, 91), try port("127.0.0.1", 8000, 90),
          try port("127.0.0.1", 9000, 92),
        ], exposed: []) == "127.0.0.1:8000-8001->90-91/tcp, 127.0.0.1:9000->92/tcp")
  }
}
