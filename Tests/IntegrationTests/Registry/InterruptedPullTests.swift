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

  @Test func aSecondPullWaitsForTheFirstsLayerAndTakesOverWhenItIsKilled() throws {
    let image = try server.make(size: 400_000)
    try server.play(#"{"\#(image.layers[0])": {"stall": 250000, "times": 1}}"#)
    let result = try fixture.shell(
      #"""
      export MINIDOCK_CONFIG="$DIRECTORY/config.toml" DOCKER_CONFIG="$DIRECTORY/docker"
      asked() { grep -c "$2" "$DIRECTORY/hostile/requests.jsonl"; }
      "$MINIDOCK" pull -q "$1/app" &
      first=$!
      for n in $(seq 1200); do [ "$(asked "$@")" -ge 1 ] && break; sleep 0.05; done
      "$MINIDOCK" pull -q "$1/app" &
      second=$!
      # The second has asked for the name and the configuration, and waits.
      for n in $(seq 1200); do
        [ "$(grep -c manifests "$DIRECTORY/hostile/requests.jsonl")" -ge 2 ] && break; sleep 0.05
      done
      sleep 0.3
      [ "$(asked "$@")" = 1 ] || echo "it has asked for the layer too"
      kill -KILL $first
      wait $second || echo "failed with $?"
      """#, server.host, image.layers[0])
    #expect(result.output == image.config + "\n", "\(result.output)\(result.errors)")
    #expect(try fixture.succeed("image", "check") == "no problems found")
  }
}
