import Glibc
import Linux
import TestSupport
import Testing

/// Containers that outlive the terminal that started them, and come back to it: attach, start, exec.
@Suite(
  .enabled(if: MinidockFixture.isAvailable, MinidockFixture.requirement),
  .enabled(if: hasProgram("python3"), "needs python3, whose pty module plays the user's terminal"))
struct TerminalLifeTests {
  let fixture: MinidockFixture

  init() throws {
    fixture = try MinidockFixture("terminal-life")
    try fixture.importBusybox()
  }

  private func detached(_ name: String, _ flags: String, _ script: String) throws {
    try fixture.succeed(
      "run", "-d", flags, "--network", "none", "--name", name, "busybox", "sh", "-c", script)
  }

  @Test func attachShowsADetachedTerminalFromNowOnAndTheDetachKeysLeaveIt() throws {
    try detached(
      "shown", "-dit",
      // A trapped signal would end the shell's read: another process watches the size.
      "echo early; (trap 'stty size' WINCH; while :; do sleep 0.05; done) < /dev/tty & "
        + "while read line; do echo got $line; done; exit 4")
    try fixture.eventually("the first line") {
      try fixture.succeed("logs", "shown").contains("early")
    }
    try fixture.expectUser(
      """
      start('attach', 'shown')
      until(b'33 101')
      check(not cooked(), 'raw while the container has the keys')
      type(b'one\\r')
      until(b'got one')
      size(40, 90)
      os.kill(pid, signal.SIGWINCH)
      until(b'40 90')
      before_keys = time.time()
      type(b'\\x10\\x11')
      check(end() == 0, 'status 0')
      check(time.time() - before_keys < 0.9, 'at once')
      check(cooked(), 'the mode is restored')
      check(b'early' not in seen, 'only from now on')
      check(minidock('inspect -f {{.State.Running}} shown') == 'true', 'it runs on')
      again()
      start('attach', 'shown')
      until(b'40 90')
      type(b'two\\r')
      until(b'got two')
      type(b'\\x04')
      check(end() == 4, 'the status of the command')
      check(cooked(), 'the mode is restored')
      """)
    let log = try fixture.succeed("logs", "shown")
    #expect(log.contains("early") && log.contains("got one") && log.contains("got two"))
    try fixture.succeed("rm", "shown")
    try fixture.expectNoLeaks()
  }

  @Test func twoAttachedUsersSeeTheSame() throws {
    try detached("shared", "-dit", "while read line; do echo got $line; done; exit 5")
    try fixture.expectUser(
      """
      first, second = os.pipe(), os.pipe()
      other = os.fork()
      if other == 0:
          mine, theirs = pty.openpty()
          size(20, 60)
          start('attach', 'shared')
          until(b'got one')
          os.write(first[1], b'x')
          os.read(second[0], 1)
          type(b'two\\r')
          until(b'got two')
          os._exit(end())
      start('attach', 'shared')
      # What the other one sees shows that it is attached.
      while not select.select([first[0]], [], [], 0.1)[0]:
          type(b'one\\r')
          until(b'got one')
      os.write(second[1], b'x')
      until(b'got two')
      type(b'\\x04')
      check(end() == 5, 'the status of the command')
      check(os.waitstatus_to_exitcode(os.waitpid(other, 0)[1]) == 5, 'for the other one as well')
      """)
    try fixture.succeed("rm", "shared")
  }

  @Test func aRunThatWasLeftCanBeAttachedToAgainAndItsLogHasAll() throws {
    try fixture.expectUser(
      """
      start('run', '-it', '--network', 'none', '--name', 'left', 'busybox', 'sh')
      until(b'# ')
      type(b'echo a$((1+1))c\\r')
      until(b'a2c')
      before_keys = time.time()
      type(b'\\x10\\x11')
      check(end() == 0, 'status 0')
      check(time.time() - before_keys < 0.9, 'at once')
      again()
      start('attach', 'left')
      time.sleep(0.3)
      type(b'echo d$((2+3))f\\r')
      until(b'd5f')
      type(b'exit 7\\r')
      check(end() == 7, 'status 7')
      check(cooked(), 'the mode is restored')
      """)
    let log = try fixture.succeed("logs", "left")
    #expect(log.contains("a2c") && log.contains("d5f"))
    try fixture.succeed("rm", "left")
    try fixture.expectNoLeaks()
  }

  @Test func startGivesAContainerItsTerminalBack() throws {
    try fixture.succeed("create", "-it", "--network", "none", "--name", "made", "busybox", "sh")
    try fixture.expectUser(
      """
      for status in (3, 4):
          start('start', '-ai', 'made')
          until(b'# ')
          check(not cooked(), 'raw')
          type(b'stty size; tty\\r')
          until(b'33 101')
          until(b'/dev/pts/0')
          type(b'exit %d\\r' % status)
          check(end() == status, 'status %d' % status)
          check(cooked(), 'the mode is restored')
          again()
      """)
    try fixture.succeed("rm", "made")
    try fixture.expectNoLeaks()
  }

  @Test func aClientThatIsKilledLeavesTheContainerRunning() throws {
    try detached("kept", "-dit", "while read line; do echo got $line; done")
    try fixture.expectUser(
      """
      start('attach', 'kept')
      type(b'one\\r')
      until(b'got one')
      os.kill(pid, signal.SIGKILL)
      os.waitpid(pid, 0)
      again()
      start('run', '-it', '--network', 'none', '--name', 'own', 'busybox', 'sh')
      until(b'# ')
      os.kill(pid, signal.SIGKILL)
      os.waitpid(pid, 0)
      again()
      start('attach', 'own')
      time.sleep(0.3)
      type(b'echo a$((1+1))c\\r')
      until(b'a2c')
      type(b'\\x10\\x11')
      check(end() == 0, 'status 0')
      """)
    #expect(Set(try fixture.succeed("ps", "--format", "{{.Names}}").lines) == ["kept", "own"])
    try fixture.succeed("rm", "-f", "kept", "own")
    try fixture.expectNoLeaks()
  }

  /// Docker's client ends by SIGHUP, which it does not pass on where there is a terminal.
  @Test func theHangUpOfTheUsersTerminalLeavesTheContainerRunning() throws {
    try detached("kept", "-dit", "while read line; do echo got $line; done; exit 1")
    try fixture.expectUser(
      """
      start('attach', 'kept')
      type(b'one\\r')
      until(b'got one')
      close()
      check(end() == 129, 'status 129')
      """)
    try fixture.expectUser(
      """
      start('run', '-it', '--network', 'none', '--name', 'own', 'busybox', 'sh')
      until(b'# ')
      close()
      check(end() == 129, 'status 129')
      """)
    usleep(300_000)
    #expect(Set(try fixture.succeed("ps", "--format", "{{.Names}}").lines) == ["kept", "own"])
    // It is not only there, it also answers.
    try fixture.expectUser(
      """
      start('attach', 'own')
      time.sleep(0.3)
      type(b'echo a$((1+1))c\\r')
      until(b'a2c')
      type(b'exit 6\\r')
      check(end() == 6, 'status 6')
      """)
    try fixture.succeed("rm", "-f", "kept", "own")
    try fixture.expectNoLeaks()
  }

  @Test func aTerminalThatNobodyReadsDoesNotHoldTheMonitorUp() throws {
    try fixture.expectUser(
      """
      start('run', '-t', '--network', 'none', '--name', 'flood', 'busybox', 'sh', '-c',
        'exec yes abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz')
      eventually(lambda: select.select([mine], [], [], 0)[0], 'it prints')
      # From here on the user reads nothing: the terminal is full soon.
      time.sleep(1)
      began = time.time()
      check(minidock('stop -t 0 flood') == 'flood', 'it is stopped')
      check(minidock('inspect -f {{.State.Status}} flood') == 'exited', 'the end is recorded')
      check(time.time() - began < 4, 'without a wait for the terminal')
      check(minidock('wait flood') == '137', 'and told')
      check(end() == 137, 'to the client as well')
      """)
    try fixture.succeed("rm", "flood")
    try fixture.expectNoLeaks()
  }
}

/// `exec -it` through a real pseudo-terminal.
@Suite(
  .enabled(if: MinidockFixture.isAvailable, MinidockFixture.requirement),
  .enabled(if: hasProgram("python3"), "needs python3, whose pty module plays the user's terminal"))
struct TerminalExecTests {
  let fixture: MinidockFixture

  init() throws {
    fixture = try MinidockFixture("terminal-exec")
    try fixture.importBusybox()
    try fixture.succeed(
      "run", "-d", "--network", "none", "--name", "host", "busybox", "sleep", "1000")
  }

  private func sleepers(_ seconds: Int) throws -> Int {
    try fixture.succeed("top", "host", "-o", "args").lines.filter { $0 == "sleep \(seconds)" }
      .count
  }

  @Test func theCommandHasATerminalOfTheContainersDevpts() throws {
    try fixture.expectUser(
      """
      start('exec', '-it', 'host', 'sh', '-c',
        'tty; stty size; echo $TERM; test -t 0 && test -t 1 && test -t 2 && echo all; ls /dev/pts; exit 3')
      check(end() == 3, 'status 3')
      pump(0.1)
      check(seen.split() == [b'/dev/pts/0', b'33', b'101', b'xterm', b'all', b'0', b'ptmx'], 'its terminal')
      check(cooked(), 'the mode is restored')
      """)
  }

  @Test func theSizeFollowsAndControlCEndsTheCommand() throws {
    try fixture.expectUser(
      """
      start('exec', '-it', 'host', 'sh', '-c',
        'trap "stty size" WINCH; echo ready; while :; do sleep 0.02; done')
      until(b'ready')
      check(not cooked(), 'raw while the command has the keys')
      size(50, 77)
      os.kill(pid, signal.SIGWINCH)
      until(b'50 77')
      type(b'\\x03')
      check(end() == 130, 'status 130')
      check(cooked(), 'the mode is restored')
      """)
  }

  @Test func theEndOfTheContainerRestoresTheTerminal() throws {
    try fixture.expectUser(
      """
      start('exec', '-it', 'host', 'sh')
      until(b'# ')
      check(minidock('kill host') == 'host', 'killed')
      check(end() == 137, 'status 137')
      check(cooked(), 'the mode is restored')
      """)
  }

  @Test func whoeverLeavesEndsTheCommand() throws {
    let ways = [
      "type(b'\\x10\\x11'); check(end() == 0, 'status 0')",
      "close(); check(end() == 0, 'status 0')",
      "os.kill(pid, signal.SIGKILL); os.waitpid(pid, 0)",
    ]
    for (number, way) in ways.enumerated() {
      try fixture.expectUser(
        """
        start('exec', '-it', 'host', 'sh', '-c', 'trap "" HUP; echo ready; exec sleep 50\(number)')
        until(b'ready')
        check('sleep 50\(number)' in minidock('top host -o args'), 'it runs')
        \(way)
        """)
      try fixture.eventually("the command has ended: \(way)") {
        try sleepers(500 + number) == 0
      }
    }
    #expect(try fixture.inspect("host", ".State.Running") == "true")
  }
}
