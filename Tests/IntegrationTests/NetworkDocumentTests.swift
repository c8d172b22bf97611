import Linux
import TestSupport
import Testing

/// The worked examples of docs/networks.md, run as they are printed, on a machine of their own.
@Suite(
  .enabled(if: MinidockFixture.isAvailable, MinidockFixture.requirement),
  .enabled(if: ServerImage.isAvailable, ServerImage.requirement))
struct NetworkDocumentTests {
  /// The first block of shell commands below a heading of the document.
  private static func example(_ heading: String) throws -> String {
    let path = #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined()
    let text = try #require(Files.text(path + "/docs/networks.md"))
    let section = try #require(text.ranges(of: "## " + heading + "\n").first).upperBound
    let start = try #require(text[section...].firstRange(of: "```sh\n")).upperBound
    let end = try #require(text[start...].firstRange(of: "```")).lowerBound
    return String(text[start..<end])
  }

  /// Runs commands with minidock in PATH; the images that the first example names are real servers.
  private func run(_ commands: String) throws -> CommandResult {
    let node = try EngineNode("docs")
    return try node.shell(
      """
      set -e
      export MINIDOCK_ROOT=$NODE/root MINIDOCK_RUNROOT=/run/minidock MINIDOCK="$1"
      mkdir $NODE/bin
      ln -s "$1" $NODE/bin/minidock
      PATH=$NODE/bin:$PATH
      servers() {
      \(ServerImage.script)
      }
      (servers $NODE/tree)
      image() {
        minidock create --name made servers true > /dev/null
        minidock commit -c "CMD $2" made "$1" > /dev/null
        minidock rm made > /dev/null
      }
      image my/database '["redis-server", "--bind", "0.0.0.0", "--protected-mode", "no"]'
      image my/web '["nginx", "-c", "/etc/nginx/nginx.conf"]'
      set -x
      \(commands)
      """, MinidockFixture.binary, timeoutSeconds: 300)
  }

  @Test func aWebServerWithItsDatabaseByName() throws {
    let example = try NetworkDocumentTests.example("A web server with its database by name")
    let result = try run(
      example + """

        for _ in $(seq 300); do curl -s http://localhost:8080/ && break; sleep 0.2; done
        for _ in $(seq 300); do
          minidock exec web redis-cli -h database ping && break
          sleep 0.2
        done
        """)
    #expect(result.status == 0, "\(result.output)\(result.errors)")
    #expect(result.output.contains("1 packets received"), "\(result.output)")
    #expect(result.output.contains("0.0.0.0:8080 → 80/tcp"), "\(result.output)")
    #expect(result.output.contains("PONG"), "\(result.output)")
    // What ran is what the document prints.
    #expect(example.lines.count { $0.hasPrefix("minidock ") } >= 6)
  }

  @Test func aPrivateNetwork() throws {
    let example = try NetworkDocumentTests.example("A private network")
    let result = try run(
      example + """

        minidock exec keeper ip -6 addr show eth0
        minidock exec keeper ip route
        """)
    #expect(result.status == 0, "\(result.output)\(result.errors)")
    let keeper = ["(10.99.0.10)", "(fd00:99::10)"]
    #expect(keeper.contains { result.output.contains("PING keeper " + $0) }, "\(result.output)")
    #expect(result.output.contains("1 packets received"), "\(result.output)")
    #expect(result.output.contains("fd00:99::10/64"), "\(result.output)")
    #expect(!result.output.contains("default via"), "\(result.output)")
  }
}
