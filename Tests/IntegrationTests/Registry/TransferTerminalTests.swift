import Linux
import TestSupport
import Testing

/// A pull on a terminal, which tmux is: it breaks lines anew when its window changes, as most do.
@Suite(
  .enabled(if: MinidockFixture.canServeRegistry, MinidockFixture.registryRequirement),
  .enabled(if: hasProgram("tmux"), "needs tmux"))
struct TransferTerminalTests {
  let fixture: MinidockFixture
  let server: HostileRegistry

  init() throws {
    fixture = try MinidockFixture("transfer")
    server = try HostileRegistry(fixture.file("hostile"))
    try fixture.write("config.toml", "[transfer]\nstall-seconds = 300\n")
  }

  /// Runs a script with `tmux …` at a server of its own, and `screen PATTERN` that waits for a line.
  private func terminal(_ script: String, columns: Int, rows: Int) throws -> CommandResult {
    try fixture.shell(
      #"""
      export MINIDOCK_CONFIG="$DIRECTORY/config.toml" DOCKER_CONFIG="$DIRECTORY/docker"
      unset TMUX
      tmux() { command tmux -f /dev/null -S "$DIRECTORY/tmux" "$@"; }
      # Waits until the window has a line that matches; prints the window.
      screen() {
        for n in $(seq 1200); do
          tmux capture-pane -p -t box 2>/dev/null | grep -q "$1" && break; sleep 0.05
        done
        tmux capture-pane -p -t box | grep -v '^$'
      }
      tmux new-session -d -s box -x "$2" -y "$3" \
        "trap : INT; \"$MINIDOCK\" pull $1/app; echo \"ended with \$?\"; sleep 1000"
      trap 'tmux kill-server' EXIT
      \#(script)
      """#, server.host, "\(columns)", "\(rows)")
  }

  @Test func everyLayerHasALineWhateverTheWindow() throws {
    let image = try server.make(layers: 3, size: 4_000_000)
    try server.play(
      #"{"\#(image.layers[1])": {"stall": 3000000}, "\#(image.layers[2])": {"stall": 3500000}}"#)
    let result = try terminal(
      """
      screen 'downloading .*[1-9]MB/4MB .*/s'
      echo ====
      tmux resize-window -t box -x 40 -y 20
      # Drawn for the new width, in the same place.
      for n in $(seq 1200); do
        tmux capture-pane -p -t box | grep -q '=>' || break; sleep 0.05
      done
      sleep 1
      screen 'downloading [0-9]'
      """, columns: 100, rows: 20)
    let parts = result.output.split(separator: "====\n").map { String($0).lines }
    try #require(parts.count == 2, "\(result)")
    for layer in image.layers {
      let short = layer.dropFirst(7).prefix(12)
      #expect(parts[0].count { $0.hasPrefix("\(short): ") } == 1, "\(parts[0])")
    }
    for line in parts[1] { #expect(line.count < 40, "\(parts[1])") }
    #expect(parts[1].filter { $0.contains("downloading") }.count == 2, "\(parts[1])")
    #expect(parts[1].filter { $0.hasSuffix(": done") }.count == 1, "\(parts[1])")
    #expect(parts[0].contains { $0.contains("[===") && $0.contains("MB/4MB  ") }, "\(parts[0])")
    #expect(parts[0].contains { $0.hasSuffix(": done") }, "\(parts[0])")
  }

  /// A slow way is seen to be one: the figures are those of what has come, also far below a MiB.
  @Test func theLineShowsWhatHasComeHoweverLittleThatIs() throws {
    let image = try server.make(layers: 1, size: 400_000)
    try server.play(#"{"\#(image.layers[0])": {"stall": 123000}}"#)
    let result = try terminal("screen 'downloading .*123kB/400kB'", columns: 100, rows: 10)
    #expect(result.output.contains("123kB/400kB"), "\(result.output)")
  }

  @Test func moreLayersThanRowsAndTheEndLeavesAllOfThem() throws {
    let image = try server.make(layers: 12, size: 1000)
    let result = try terminal(
      "screen 'ended with 0' > /dev/null; tmux capture-pane -p -S - -t box", columns: 60, rows: 8)
    let lines = result.output.lines
    for layer in image.layers {
      let short = layer.dropFirst(7).prefix(12)
      #expect(lines.filter { $0 == "\(short): done" }.count == 1, "\(lines)")
    }
    #expect(!lines.contains { $0.contains("waiting") || $0.contains("downloading") }, "\(lines)")
  }

  @Test func ctrlCEndsItAtOnceWith130() throws {
    let image = try server.make(layers: 1, size: 400_000)
    try server.play(#"{"\#(image.layers[0])": {"stall": 300000}}"#)
    let result = try terminal(
      "screen 'downloading' >/dev/null; tmux send-keys -t box C-c; screen 'ended with'",
      columns: 80, rows: 10)
    #expect(result.output.contains("ended with 130"), "\(result.output)")
  }
}
