import Linux
import TestSupport
import Testing

/// `run -t` through a real pseudo-terminal, which a Python program holds.
@Suite(
  .enabled(if: MinidockFixture.isAvailable, MinidockFixture.requirement),
  .enabled(if: hasProgram("python3"), "needs python3, whose pty module plays the user's terminal"))
struct TerminalTests {
  let fixture: MinidockFixture

  init() throws {
    fixture = try MinidockFixture("terminal")
    try fixture.importBusybox()
  }

  private func expectUser(
    _ script: String, sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    try fixture.expectUser(script, sourceLocation: sourceLocation)
  }

  @Test func theCommandHasATerminalOfTheContainersOwn() throws {
    try expectUser(
      """
      start('run', '--rm', '-it', '--network', 'none', 'busybox', 'sh', '-c',
        'tty; stty size; ls -l /dev/console | cut -c 1; echo $TERM; test -t 0 && test -t 1 && test -t 2 && echo all')
      check(end() == 0, 'status 0')
      pump(0.1)
      check(seen.split() == [b'/dev/pts/0', b'33', b'101', b'c', b'xterm', b'all'], 'its terminal')
      check(cooked(), 'the mode is restored')
      """)
  }

  @Test func theSizeFollows() throws {
    try expectUser(
      """
      start('run', '--rm', '-it', '--network', 'none', 'busybox', 'sh', '-c',
        'trap "stty size; exit 3" WINCH; echo ready; while :; do sleep 0.02; done')
      until(b'ready')
      size(50, 77)
      os.kill(pid, signal.SIGWINCH)
      until(b'50 77')
      check(end() == 3, 'the trap ran')
      """)
  }

  @Test func controlCInterruptsTheCommandAndRawModeIsRestored() throws {
    try expectUser(
      """
      start('run', '--rm', '-it', '--network', 'none', 'busybox', 'sh')
      until(b'# ')
      check(not cooked(), 'raw while the container has the keys')
      type(b'sleep 60\\r')
      until(b'sleep 60')
      time.sleep(0.3)
      type(b'\\x03')
      until(b'# ')
      type(b'echo st=$?\\r')
      until(b'st=130')
      type(b'exit 9\\r')
      check(end() == 9, 'status 9')
      check(cooked(), 'the mode is restored')
      """)
  }

  @Test func endOfInputEndsTheShell() throws {
    try expectUser(
      """
      start('run', '--rm', '-it', '--network', 'none', 'busybox', 'sh')
      until(b'# ')
      type(b'\\x04')
      check(end() == 0, 'status 0')
      check(cooked(), 'the mode is restored')
      """)
  }

  @Test func theModeIsRestoredWhenMinidockIsEndedOrTheContainerKilled() throws {
    try expectUser(
      """
      start('run', '--rm', '-it', '--network', 'none', '--name', 'killed', 'busybox', 'sh')
      until(b'# ')
      check(not cooked(), 'raw')
      check(os.system('"$MINIDOCK" rm -f killed >/dev/null') == 0, 'rm -f')
      check(end() == 137, 'status 137')
      check(cooked(), 'the mode is restored')
      """)
    try fixture.expectNoLeaks()
  }

  @Test func manyLinesPassWithoutLoss() throws {
    try expectUser(
      """
      start('run', '--rm', '-t', '--network', 'none', 'busybox', 'seq', '1', '50000')
      check(end() == 0, 'status 0')
      for round in range(5): pump(0.05)
      check(seen.split() == [b'%d' % n for n in range(1, 50001)], 'every line')
      """)
  }

  @Test func detachKeysLeaveTheContainerRunning() throws {
    try expectUser(
      """
      start('run', '-it', '--network', 'none', '--name', 'left', 'busybox', 'sh')
      until(b'# ')
      type(b'\\x10')
      type(b'\\x11')
      check(end() == 0, 'status 0')
      check(cooked(), 'the mode is restored')
      """)
    #expect(
      try fixture.succeed("ps", "--format", "{{.Names}} {{.State}}") == "left running")
    #expect(
      try fixture.succeed("inspect", "-f", "{{.State.Running}} {{.Config.Tty}}", "left")
        == "true true")
    let line = try fixture.refuse(["rm", "left"], status: 1)
    #expect(line.contains("left"))
    #expect(try fixture.succeed("rm", "-f", "left") == "left")
    #expect(try fixture.succeed("ps", "-aq") == "")
    try fixture.expectNoLeaks()
  }

  @Test func otherDetachKeysReplaceTheStandardOnes() throws {
    try expectUser(
      """
      start('run', '--rm', '-it', '--network', 'none', '--detach-keys', 'ctrl-x,d', '--name', 'own', 'busybox', 'sh')
      until(b'# ')
      type(b'\\x10\\x11')
      type(b'echo st$((1+1))ill\\r')
      until(b'st2ill')
      type(b'\\x18d')
      check(end() == 0, 'status 0')
      """)
    #expect(try fixture.succeed("ps", "--format", "{{.Names}}") == "own")
    try fixture.succeed("rm", "-f", "own")
    try fixture.refuse(
      ["run", "--rm", "-t", "--detach-keys", "ctrl-1", "busybox", "true"], status: 125)
    try fixture.expectNoLeaks()
  }

  @Test func aHangUpLeavesNothingHalfDone() throws {
    try expectUser(
      """
      start('run', '--rm', '-it', '--network', 'none', '--name', 'hung', 'busybox', 'sh')
      until(b'# ')
      os.kill(pid, signal.SIGKILL)
      os.waitpid(pid, 0)
      """)
    // The monitor is another process: the container lives, and can be removed.
    #expect(try fixture.succeed("ps", "--format", "{{.Names}}") == "hung")
    try fixture.succeed("rm", "-f", "hung")
    try fixture.expectNoLeaks()
  }
}
