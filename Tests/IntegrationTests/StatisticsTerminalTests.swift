import Linux
import TestSupport
import Testing

/// `stats` on a terminal, which a Python program holds.
@Suite(
  .enabled(if: MinidockFixture.isAvailable, MinidockFixture.requirement),
  .enabled(if: hasProgram("python3"), "needs python3, whose pty module plays the user's terminal"))
struct StatisticsTerminalTests {
  let fixture: MinidockFixture

  init() throws {
    fixture = try MinidockFixture("screen")
    try fixture.importBusybox()
  }

  @Test func theTableIsRedrawnInPlaceAndFollowsTheWindow() throws {
    for number in 1...6 {
      try fixture.succeed(
        "run", "-d", "--network", "none", "--name", "c\(number)", "busybox", "sh", "-c",
        number == 1 ? "while :; do :; done" : "sleep 1000")
    }
    try fixture.write(
      "screen.py",
      """
      import fcntl, os, pty, re, select, signal, struct, sys, termios, time
      mine, theirs = pty.openpty()
      def size(rows, columns):
          fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack('HHHH', rows, columns, 0, 0))
      size(30, 160)
      before = termios.tcgetattr(theirs)
      os.environ['TERM'] = 'xterm'
      pid = os.fork()
      if pid == 0:
          os.setsid()
          fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)
          for number in (0, 1, 2): os.dup2(theirs, number)
          os.closerange(3, 100)
          os.execv(os.environ['MINIDOCK'], ['minidock', 'stats'])
      seen = b''
      def frame(holds, what):
          # A frame begins at home and ends with what clears the rest of the window.
          global seen
          limit = time.time() + 60
          while time.time() < limit:
              if select.select([mine], [], [], 0.1)[0]: seen += os.read(mine, 65536)
              for part in re.findall(rb'\\x1b\\[H(.*?)\\x1b\\[J', seen, re.S):
                  lines = part.decode().replace('\\x1b[K', '').split('\\r\\n')[:-1]
                  if holds(lines): return lines
          sys.exit('%s: %r' % (what, seen[-3000:]))
      def wide(lines):
          return (len(lines) == 7 and lines[0].startswith('CONTAINER ID')
                  and any('c1' in line and '▇' in line or '█' in line for line in lines))
      frame(wide, 'a table of seven lines')
      if b'\\x1b[?25l' not in seen: sys.exit('the cursor is hidden')
      if seen.count(b'\\x1b[2J') != 1: sys.exit('cleared once')
      seen = b''
      size(5, 40)
      os.kill(pid, signal.SIGWINCH)
      frame(lambda lines: len(lines) == 4 and lines[-1] == '… 4 more'
            and all(len(line) <= 40 for line in lines), 'a table for a small window')
      os.write(mine, b'\\x03')
      limit = time.time() + 10
      while True:
          done, status = os.waitpid(pid, os.WNOHANG)
          if done: break
          if time.time() > limit: sys.exit('Ctrl-C does not end it')
          if select.select([mine], [], [], 0.05)[0]: seen += os.read(mine, 65536)
      while select.select([mine], [], [], 0.1)[0]: seen += os.read(mine, 65536)
      if os.waitstatus_to_exitcode(status) != 0: sys.exit('status %d' % status)
      if not seen.rstrip().endswith(b'\\x1b[?25h'): sys.exit('no cursor: %r' % seen[-200:])
      if termios.tcgetattr(theirs) != before: sys.exit('another mode')
      """)
    let result = try fixture.shell(#"exec python3 "$1""#, fixture.file("screen.py"))
    #expect(result.status == 0, "\(result.errors)")
    try fixture.succeed("rm", "-f", "c1", "c2", "c3", "c4", "c5", "c6")
    try fixture.expectNoLeaks()
  }
}
