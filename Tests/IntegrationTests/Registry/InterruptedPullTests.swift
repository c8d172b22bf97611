import Glibc
import Linux
import TestSupport
import Testing

/// Pulls that are ended in the middle: at once and quietly, and the next one goes on where they were.
@Suite(.enabled(if: MinidockFixture.canServeRegistry, MinidockFixture.registryRequirement))
struct InterruptedPullTests {
  let fixture: MinidockFixture
  let server: HostileRegistry

  init() throws {
    fixture = try MinidockFixture("interrupted")
    server = try HostileRegistry(fixture.file("hostile"))
    try fixture.write("config.toml", "")
  }

  /// Starts a pull and sends it a signal when the server holds the last layer back after `size` bytes.
  /// Returns the exit status as a shell gives it.
  private func interrupt(_ signal: String, at size: Int, while images: [String]) throws -> String {
    let result = try fixture.shell(
      #"""
      export MINIDOCK_CONFIG="$DIRECTORY/config.toml" DOCKER_CONFIG="$DIRECTORY/docker"
      set -m
      "$MINIDOCK" pull -q "$1/app" &
      for n in $(seq 1200); do
        total=$(cat $DIRECTORY/root/ingest/*/layer-*/blob 2>/dev/null | wc -c)
        done=$(ls "$DIRECTORY/root/layers" | wc -l)
        [ "$total" -ge "$2" ] && [ "$done" -ge "$4" ] && break
        sleep 0.05
      done
      kill -$3 $!
      wait $!
      echo "$?"
      """#, server.host, "\(size)", signal, "\(images.count)")
    return result.output
  }

  @Test(arguments: ["INT", "KILL"])
  func theNextPullGoesOnWhereAnInterruptedOneWas(_ signal: String) throws {
    let image = try server.make(layers: 2, size: 400_000)
    try server.play(#"{"\#(image.layers[1])": {"stall": 250000}}"#)
    let status = try interrupt(signal, at: 250_000, while: [image.layers[0]])
    #expect(status == (signal == "INT" ? "130\n" : "137\n"))
    #expect(try fixture.succeed("images", "-aq") == "")
    // Lists and checks leave it alone, and find nothing wrong.
    #expect(try fixture.succeed("image", "check") == "no problems found")
    try server.play("{}")
    _ = server.requests()
    let pulled = try fixture.remote("pull", "-q", "\(server.host)/app")
    #expect(pulled.output == image.config + "\n", "\(pulled.errors)")
    let blobs = server.requests().filter { request in image.layers.contains { request.contains($0) }
    }
    #expect(blobs.count == 1, "the finished layer is not asked for again: \(blobs)")
    #expect(blobs.first?.contains(image.layers[1]) == true)
    #expect(blobs.first?.contains("bytes=250000-") == true, "\(blobs)")
    try fixture.succeed("images")
    #expect(try Files.list(fixture.root + "/ingest") == [])
  }

  /// A server that falls silent, and later one that breaks off: each attempt goes on where the last one was.
  @Test func theNextPullGoesOnWhereAFailedOneWas() throws {
    try fixture.write("config.toml", "[transfer]\nretries = 0\nstall-seconds = 2\n")
    let image = try server.make(layers: 2, size: 400_000)
    let last = image.layers[1]
    var starts: [Int] = []
    for trick in ["\"stall\": 150000", "\"drop\": 150000, \"times\": 1"] {
      try server.play(#"{"\#(last)": {\#(trick)}}"#)
      let failed = try fixture.remote("pull", "-q", "\(server.host)/app")
      #expect(failed.status == 1 && failed.errors.lines.count == 1, "\(failed)")
      starts += try resumed(last)
      #expect(try fixture.succeed("images", "-aq") == "")
      #expect(try fixture.succeed("image", "check") == "no problems found")
      #expect(try fixture.succeed("ps", "-aq") == "")
    }
    try server.play("{}")
    let pulled = try fixture.remote("pull", "-q", "\(server.host)/app")
    #expect(pulled.output == image.config + "\n", "\(pulled.errors)")
    starts += try resumed(last)
    // The first began with nothing.
    #expect(starts.count == 2 && starts[0] > 0 && starts[0] <= 150_000, "\(starts)")
    #expect(starts.count == 2 && starts[1] >= starts[0], "\(starts)")
    try fixture.succeed("images")
    #expect(try Files.list(fixture.root + "/ingest") == [])
    #expect(try fixture.succeed("image", "check") == "no problems found")
  }

  /// Where the requests for a blob began that asked for a part.
  private func resumed(_ blob: String) throws -> [Int] {
    let requests = server.requests().filter { $0.contains(blob) }
    #expect(requests.count == 1, "\(requests)")
    return requests.compactMap { request in
      let parts = request.split(separator: "bytes=")
      return parts.count == 2 ? Int(parts[1].prefix { $0.isNumber }) : nil
    }
  }

  /// What was refused is no beginning of anything: nothing of it is kept.
  @Test func aPullThatWasRefusedLeavesNothing() throws {
    try fixture.write("config.toml", "[transfer]\nretries = 0\n")
    let image = try server.make(size: 400_000)
    try server.play(#"{"\#(image.layers[0])": {"flip": 300000}}"#)
    #expect(try fixture.remote("pull", "-q", "\(server.host)/app").status == 1)
    #expect(try Files.list(fixture.root + "/ingest") == [])
  }

  @Test func whatWasLeftDamagedIsFetchedAgainWhole() throws {
    let image = try server.make(size: 400_000)
    try server.play(#"{"\#(image.layers[0])": {"stall": 250000}}"#)
    #expect(try interrupt("KILL", at: 250_000, while: []) == "137\n")
    _ = try fixture.shell(
      "printf zzzz | dd of=$(ls $DIRECTORY/root/ingest/*/layer-0/blob) bs=1 seek=200000 conv=notrunc"
    )
    try server.play("{}")
    let pulled = try fixture.remote("pull", "-q", "\(server.host)/app")
    #expect(pulled.output == image.config + "\n", "\(pulled.errors)")
    #expect(try fixture.succeed("image", "check") == "no problems found")
    try fixture.succeed("rmi", "\(server.host)/app")
    #expect(try Files.list(fixture.root + "/ingest") == [])
    #expect(try Files.list(fixture.root + "/blobs/sha256") == [])
  }

  @Test func aPruneGivesBackWhatAnInterruptedPullLeft() throws {
    let image = try server.make(layers: 2, size: 400_000)
    try server.play(#"{"\#(image.layers[1])": {"stall": 250000}}"#)
    #expect(try interrupt("TERM", at: 250_000, while: [image.layers[0]]) == "143\n")
    try fixture.succeed("images")
    #expect(try Files.list(fixture.root + "/layers").count == 1)
    try fixture.succeed("image", "prune", "-f")
    for folder in ["ingest", "layers", "blobs/sha256"] {
      #expect(try Files.list("\(fixture.root)/\(folder)") == [], "\(folder)")
    }
  }

  @Test(arguments: ["app", "other"])
  func aSecondPullWaitsForTheFirstsLayerAndGoesOnWithItWhenThatIsKilled(_ name: String) throws {
    // Images of other names differ, and have the same layers.
    var image = try server.make(size: 400_000)
    if name != "app" { image = try server.make(name, size: 400_000) }
    try server.play(#"{"\#(image.layers[0])": {"stall": 250000, "times": 1}}"#)
    let result = try fixture.shell(
      #"""
      export MINIDOCK_CONFIG="$DIRECTORY/config.toml" DOCKER_CONFIG="$DIRECTORY/docker"
      asked() { grep -c "$2" "$DIRECTORY/hostile/requests.jsonl"; }
      "$MINIDOCK" pull -q "$1/app" &
      first=$!
      for n in $(seq 1200); do [ "$(asked "$@")" -ge 1 ] && break; sleep 0.05; done
      "$MINIDOCK" pull -q "$1/$3" &
      second=$!
      # The second has asked for the name and the configuration, and waits.
      for n in $(seq 1200); do
        [ "$(grep -c manifests "$DIRECTORY/hostile/requests.jsonl")" -ge 2 ] && break; sleep 0.05
      done
      for n in $(seq 1200); do
        [ "$(cat $DIRECTORY/root/ingest/*/layer-*/blob 2>/dev/null | wc -c)" -ge 250000 ] && break
        sleep 0.05
      done
      sleep 0.3
      [ "$(asked "$@")" = 1 ] || echo "it has asked for the layer too"
      kill -KILL $first
      wait $second || echo "failed with $?"
      """#, server.host, image.layers[0], name)
    #expect(result.output == image.config + "\n", "\(result.output)\(result.errors)")
    let asked = server.requests().filter { $0.contains(image.layers[0]) }
    #expect(asked.count == 2 && asked.last?.contains("bytes=250000-") == true, "\(asked)")
    #expect(try fixture.succeed("image", "check") == "no problems found")
    // What is kept for the other image has nothing left that this one could use.
    if name != "app" { try fixture.succeed("image", "prune", "-f") }
    #expect(try Files.list(fixture.root + "/ingest") == [])
  }
}
