import Linux
import TestSupport
import Testing

/// Which file's word counts: the machine's configuration, the user's over it, or one named instead of both.
@Suite(.enabled(if: MinidockFixture.canServeRegistry, MinidockFixture.registryRequirement))
struct RegistryConfigTests {
  let fixture: MinidockFixture

  init() throws { fixture = try MinidockFixture("config") }

  /// Runs a script that sees `$DIRECTORY/machine.toml` as /etc/minidock/config.toml, in a mount namespace of
  /// its own; `pull` is a pull that names the servers which were asked.
  private func onMachine(_ script: String, _ arguments: [String]) throws -> [String] {
    let result = try run(
      [
        "unshare", "-m", "bash", "-c",
        #"""
        set -e; mkdir -p "$DIRECTORY/etc/minidock"
        ln -f "$DIRECTORY/machine.toml" "$DIRECTORY/etc/minidock/config.toml"
        mount -t overlay overlay -o "lowerdir=$DIRECTORY/etc:/etc" /etc
        unset MINIDOCK_CONFIG XDG_CONFIG_HOME http_proxy https_proxy HTTP_PROXY HTTPS_PROXY; set +e
        export HOME="$DIRECTORY/home" DOCKER_CONFIG="$DIRECTORY/docker"
        pull() {
          rm -f "$DIRECTORY"/*/requests.jsonl
          "$MINIDOCK" pull -q reg.test/app > "$DIRECTORY/out" 2> "$DIRECTORY/err"; status=$?
          echo "$1: $status" $(cd "$DIRECTORY"; ls one/requests.jsonl two/requests.jsonl 2> /dev/null) \
            $(grep -o 'cannot be resolved\|after . attempts' "$DIRECTORY/err")
          "$MINIDOCK" rmi reg.test/app > /dev/null 2>&1
        }
        """# + "\n" + script, "machine",
      ] + arguments,
      environment: fixture.environment + [
        "MINIDOCK=\(MinidockFixture.binary)", "DIRECTORY=\(fixture.directory)",
      ])
    #expect(result.errors == "")
    return result.output.lines
  }

  @Test func theUsersFileGoesBeforeTheMachinesAndANamedOneStandsAlone() throws {
    let (one, two) = (
      try HostileRegistry(fixture.file("one")), try HostileRegistry(fixture.file("two"))
    )
    for server in [one, two] { try server.make() }
    // Plain http to this machine's own address is allowed.
    func place(_ server: HostileRegistry) -> String {
      "[registry.\"reg.test\"]\nlocation = \"http://\(server.host)\"\n"
    }
    try fixture.write("machine.toml", place(one) + "[transfer]\nretries = 2\n")
    try fixture.write("users.toml", place(two))
    let broken = #"{"manifest": {"status": 503}}"#
    try fixture.write("fails.json", broken)
    let lines = try onMachine(
      #"""
      pull machine
      mkdir -p "$HOME/.config/minidock"; cp "$DIRECTORY/users.toml" "$HOME/.config/minidock/config.toml"
      pull home
      # What the user's file does not set is still the machine's.
      cp "$DIRECTORY/fails.json" "$DIRECTORY/two/tricks.json"; pull fails
      rm "$DIRECTORY/two/tricks.json"
      # XDG_CONFIG_HOME takes the place of ~/.config.
      export XDG_CONFIG_HOME="$DIRECTORY/xdg"; pull elsewhere
      mkdir -p "$XDG_CONFIG_HOME/minidock"; cp "$DIRECTORY/users.toml" "$XDG_CONFIG_HOME/minidock/config.toml"
      pull xdg
      # One that is named stands alone.
      printf '[transfer]\nretries = 0\n' > "$DIRECTORY/named.toml"
      export MINIDOCK_CONFIG="$DIRECTORY/named.toml"; pull named
      """#, [])
    #expect(
      lines == [
        "machine: 0 one/requests.jsonl", "home: 0 two/requests.jsonl",
        "fails: 1 two/requests.jsonl after 3 attempts", "elsewhere: 0 one/requests.jsonl",
        "xdg: 0 two/requests.jsonl", "named: 1 cannot be resolved",
      ])
  }
}
