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
    try fixture.write("user.py", TerminalTests.user)
  }

  /// A user at a terminal of 33 rows and 101 columns: `start(words)`, `until(text)`, `type(bytes)`,
  /// `resize`, `end()`; `cooked()` tells whether the terminal is in the mode that it began in.
  private static let user = """
    import fcntl, os, pty, select, signal, struct, sys, termios, time
    seen = b''
    mine, theirs = pty.openpty()
    def size(rows, columns):
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack('HHHH', rows, columns, 0, 0))
    size(33, 101)
    before = termios.tcgetattr(theirs)
    def cooked(): return termios.tcgetattr(theirs) == before
    def start(*words):
        global pid
        pid = os.fork()
        if pid == 0:
            os.setsid()
            fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)
            for number in (0, 1, 2): os.dup2(theirs, number)
            os.closerange(3, 100)
            os.execv(os.environ['MINIDOCK'], ['minidock', *words])
    def pump(seconds):
        global seen
        if select.select([mine], [], [], seconds)[0]: seen += os.read(mine, 65536)
    def until(text, seconds=15):
        global seen
        limit = time.time() + seconds
        while text not in seen:
            if time.time() > limit: sys.exit('no %r in %r' % (text, seen))
            pump(0.05)
        after = seen[seen.index(text) + len(text):]
        seen = after
        return after
    def type(data): os.write(mine, data)
    def end(seconds=15):
        limit = time.time() + seconds
        while True:
            done, status = os.waitpid(pid, os.WNOHANG)
            if done: return os.waitstatus_to_exitcode(status)
            if time.time() > limit:
                os.kill(pid, signal.SIGKILL)
                sys.exit('does not end: %r' % seen)
            pump(0.02)
    def check(holds, what):
        if not holds: sys.exit('not so: %s; seen %r' % (what, seen))

    """

  /// Lets the user do something; what is wrong comes back as text.
  private func user(_ script: String, _ arguments: String...) throws -> CommandResult {
    let path = try fixture.write("script.py", TerminalTests.user + script)
    return try fixture.shell(#"exec python3 "$@""#, path, timeoutSeconds: 60)
  }

  private func expectUser(
    _ script: String, sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let result = try user(script)
    #expect(result.status == 0, "\(result.errors)", sourceLocation: sourceLocation)
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
