import TestSupport
import Testing

/// What the runtime gives a process that no engine has prepared anything for.
@Suite(
  .enabled(if: MinidockFixture.isAvailable, MinidockFixture.requirement),
  .enabled(if: hasProgram("capsh") && hasProgram("jq"), "needs capsh and jq"))
struct OCIGrantTests {
  let fixture: MinidockFixture

  init() throws {
    fixture = try MinidockFixture("grants")
    _ = try fixture.makeTree("rootfs", changes: "mkdir -p proc sys dev")
  }

  // Runs a script as a bundle's command, below a runtime that has not got CAP_SYS_PTRACE.
  private func run(_ script: String, changes: String, _ options: String) throws -> CommandResult {
    try fixture.shell(
      #"""
      cd "$DIRECTORY" && rm -f config.json && "$MINIDOCK" oci spec --bundle "$DIRECTORY" &&
        jq --arg script "$1" '.process.terminal = false
          | .process.args = ["sh", "-c", $script] | .root = {path: "rootfs"} | '"$2" \
          config.json > changed && mv changed config.json &&
        exec capsh --drop=cap_sys_ptrace -- -c \
          '"$MINIDOCK" oci --root "$DIRECTORY/oci" '"$3"' run --bundle "$DIRECTORY" "grant-$$"'
      """#, script, changes, options)
  }

  @Test func aCapabilityThatTheRuntimeHasNotGotIsLeftOutWithAWarning() throws {
    let changes = """
      .process.capabilities = ({bounding: ["CAP_SYS_PTRACE", "CAP_KILL"]}
        | .effective = .bounding | .permitted = .bounding)
      """
    let show = "grep -E 'Cap(Prm|Eff|Bnd)' /proc/self/status | cut -f 2"
    let mask = "0000000000000020\n"
    let warning = "process.capabilities: not granted, the runtime has not got: CAP_SYS_PTRACE"

    let logged = try run(
      show, changes: changes, #"--log "$DIRECTORY/log" --log-format json"#)
    #expect(logged.status == 0 && logged.output == mask + mask + mask, "\(logged)")
    // Standard error is the container's.
    #expect(logged.errors == "")
    let log = try TestSupport.run(["jq", "-r", ".level, .msg", fixture.file("log")])
    #expect(log.output == "warning\n\(warning)\n")

    let shown = try run(show, changes: changes, "")
    #expect(shown.errors == "minidock-oci: warning: \(warning)\n")
  }

  @Test func mountsAtOnePlaceCoverOneAnotherAndTheSameOneTwiceIsRefused() throws {
    let options = #"--log "$DIRECTORY/log""#
    let mount = #"{destination: "/mnt", type: "tmpfs", source: "tmpfs", options: ["size=4k"]}"#
    let covered = try run(
      "grep -c ' /mnt ' /proc/self/mountinfo; df -k /mnt | tail -1 | tr -s ' ' | cut -d ' ' -f 2",
      changes: ".mounts += [\(mount), (\(mount) | .options = [\"size=8k\"])]", options)
    #expect(covered.output == "2\n8\n", "\(covered)")
    let twice = try run("true", changes: ".mounts += [\(mount), \(mount)]", options)
    #expect(twice.status == 1)
    #expect(twice.errors.contains("mounts[8]: it is mounts[7] again"), "\(twice)")
  }

  @Test func aNetworkNamespaceOfItsOwnHasItsLoopbackUp() throws {
    let mapped = """
      .linux.namespaces += [{type: "user"}]
        | .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}]
        | .linux.gidMappings = .linux.uidMappings
      """
    for changes in [".", mapped] {
      let seen = try run(
        "ip -o addr show lo | grep -oE '127.0.0.1/8|LOWER_UP' | sort -u; ping -c 1 127.0.0.1",
        changes: changes, #"--log "$DIRECTORY/log""#)
      #expect(seen.output.hasPrefix("127.0.0.1/8\n"), "\(seen)")
    }
  }
}
