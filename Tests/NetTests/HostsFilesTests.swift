import Linux
import Testing

@testable import Net

@Suite("Name files")
struct HostsFilesTests {
  private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

  @Test("The hosts file has docker's lines, the extra hosts and the container")
  func hosts() throws {
    let extra = try ["db:10.0.0.9", "six=[2001:db8::1]", "host.docker.internal:host-gateway"].map {
      try ExtraHost(parsing: $0)
    }
    let content = try HostsFiles.hosts(
      hostname: "web.example.com", address: IPv4Address("10.88.0.2"), extra: extra,
      gateway: IPv4Address("10.88.0.1"))
    #expect(
      text(content) == """
        127.0.0.1\tlocalhost
        ::1\tlocalhost ip6-localhost ip6-loopback
        fe00::\tip6-localnet
        ff00::\tip6-mcastprefix
        ff02::1\tip6-allnodes
        ff02::2\tip6-allrouters
        10.0.0.9\tdb
        2001:db8::1\tsix
        10.88.0.1\thost.docker.internal
        10.88.0.2\tweb.example.com web

        """)
  }

  @Test("Without a network there is neither an own line nor a host to reach")
  func withoutNetwork() throws {
    let content = try HostsFiles.hosts(hostname: "c", address: nil, gateway: nil)
    #expect(text(content).hasSuffix("ff02::2\tip6-allrouters\n"))
    let extra = [try ExtraHost(parsing: "h:host-gateway")]
    let failure = #expect(throws: Failure.self) {
      try HostsFiles.hosts(hostname: "c", address: nil, extra: extra, gateway: nil)
    }
    #expect(failure?.code == .invalid)
  }

  @Test("In the host's network the host's file is kept and added to")
  func hostNetwork() throws {
    let extra = [try ExtraHost(parsing: "h:host-gateway")]
    let content = try HostsFiles.hosts(ofHost: Array("1.2.3.4 a".utf8), extra: extra)
    #expect(text(content) == "1.2.3.4 a\n127.0.0.1\th\n")
    #expect(try HostsFiles.hosts(ofHost: [1, 2], extra: []) == [1, 2])
  }

  @Test(
    "An extra host that is none is refused",
    arguments: [
      "", "a", ":1.2.3.4", "a:", "a:1.2.3", "a:1.2.3.4\n6.6.6.6 b", "a b:1.2.3.4", "a\nb:1.2.3.4",
      "a:host", "a:[::1", "a:fe80::1%eth0", "a#b:1.2.3.4", "a:1.2.3.4 b", "a:1.2.3.4\0",
    ])
  func noHost(_ text: String) {
    let failure = #expect(throws: Failure.self) { try ExtraHost(parsing: text) }
    #expect(failure?.code == .invalid)
  }

  @Test("A hostname is one line of one word")
  func hostname() throws {
    #expect(text(try HostsFiles.hostname("web")) == "web\n")
    for name in ["", "a b", "a\n6.6.6.6 b"] {
      #expect(throws: Failure.self) { try HostsFiles.hostname(name) }
      #expect(throws: Failure.self) {
        try HostsFiles.hosts(hostname: name, address: nil, gateway: nil)
      }
    }
  }
}

@Suite("Resolver file")
struct ResolverFileTests {
  private func content(
    _ host: String, upstream: String? = nil, shares: Bool = false,
    servers: [String] = [], search: [String] = [], options: [String] = []
  ) throws -> String {
    let settings = try ResolverSettings(servers: servers, search: search, options: options)
    let bytes = ResolverFile.content(
      settings, sharesHostNetwork: shares, host: Array(host.utf8)
    ) { upstream.map { Array($0.utf8) } }
    return String(decoding: bytes, as: UTF8.self)
  }

  private static let stub = "# stub\nnameserver 127.0.0.53\noptions edns0 trust-ad\nsearch lan\n"

  @Test("The host's servers, search domains and options are taken over")
  func host() throws {
    let host =
      "; c\nnameserver 192.0.2.1\n\tnameserver\t192.0.2.2 # x\ndomain a\nsearch b c\noptions x\n"
    #expect(
      try content(host) == "nameserver 192.0.2.1\nnameserver 192.0.2.2\nsearch b c\noptions x\n")
  }

  @Test("A resolver on loopback is replaced by the servers that it asks")
  func stub() throws {
    let upstream = "nameserver 192.0.2.9\nnameserver fd00::1\nnameserver 127.0.0.1\nsearch other\n"
    #expect(
      try content(Self.stub, upstream: upstream)
        == "nameserver 192.0.2.9\nsearch lan\noptions edns0 trust-ad\n")
  }

  @Test("Where no server is left, docker's are used")
  func fallback() throws {
    let expected = "nameserver 8.8.8.8\nnameserver 8.8.4.4\n"
    for host in ["", "nameserver 127.0.0.1\n", "nameserver ::1\n", "nameserver fe80::1%eth0\n"] {
      #expect(try content(host) == expected)
    }
    #expect(try content("", upstream: "nameserver 127.0.0.53") == expected)
  }

  @Test("A server elsewhere keeps its place beside one on loopback")
  func mixed() throws {
    #expect(
      try content("nameserver 127.0.0.1\nnameserver 192.0.2.1", upstream: "nameserver 1.1.1.1")
        == "nameserver 192.0.2.1\n")
  }

  @Test("In the host's network its loopback resolver is reachable")
  func hostNetwork() throws {
    #expect(try content(Self.stub, shares: true).hasPrefix("nameserver 127.0.0.53\n"))
  }

  @Test("Flags replace the host's settings, each by itself, and a dot clears the search")
  func flags() throws {
    #expect(
      try content(Self.stub, servers: ["9.9.9.9", "::1"], search: ["x"], options: ["ndots:2"])
        == "nameserver 9.9.9.9\nnameserver ::1\nsearch x\noptions ndots:2\n")
    #expect(
      try content(Self.stub, servers: ["9.9.9.9"], search: ["."])
        == "nameserver 9.9.9.9\noptions edns0 trust-ad\n")
  }

  @Test("Values that would break the file's lines apart are refused")
  func malformed() {
    #expect(throws: Failure.self) { try ResolverSettings(servers: ["dns.example"]) }
    #expect(throws: Failure.self) { try ResolverSettings(servers: ["1.1.1.1\nsearch evil"]) }
    #expect(throws: Failure.self) { try ResolverSettings(search: ["a b"]) }
    #expect(throws: Failure.self) { try ResolverSettings(options: ["a\nb"]) }
  }
}
