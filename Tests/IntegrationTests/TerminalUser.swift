import Linux
import TestSupport
import Testing

/// A user at a pseudo-terminal, played by a Python program, for tests of what minidock does there.
enum TerminalUser {
  /// The user's terminal has 33 rows and 101 columns. What a script can do: `start(words)` minidock there,
  /// `until(text)` is seen, `type(bytes)`, `size(rows, columns)`, `end()` for the exit status, `close()` for
  /// the whole window, `again()` before the next command, `minidock(words)` for one beside the terminal,
  /// `eventually(holds, what)`, `check(holds, what)`; `cooked()` tells whether the terminal is in the mode
  /// that it began in.
  static let script = """
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
    def again():
        # Another client at the same terminal, once the one before has ended.
        global seen
        seen = b''
    def close():
        # The user's window is closed: the kernel hangs the terminal up.
        global mine, theirs
        os.close(theirs)
        os.close(mine)
        theirs = mine = -1
    def minidock(*words):
        return os.popen('"$MINIDOCK" ' + ' '.join(words)).read().strip()
    def eventually(holds, what, seconds=15):
        limit = time.time() + seconds
        while not holds():
            if time.time() > limit: sys.exit('not in time: ' + what)
            if mine >= 0: pump(0.05)
            else: time.sleep(0.05)
    def pump(seconds):
        global seen
        if mine < 0: time.sleep(seconds)
        elif select.select([mine], [], [], seconds)[0]: seen += os.read(mine, 65536)
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
}

extension MinidockFixture {
  /// Lets the user do what a script says; what is wrong fails the test.
  func expectUser(_ script: String, sourceLocation: SourceLocation = #_sourceLocation) throws {
    let path = try write("script.py", TerminalUser.script + script)
    let result = try shell(#"exec python3 "$@""#, path, timeoutSeconds: 60)
    #expect(result.status == 0, "\(result.errors)", sourceLocation: sourceLocation)
  }
}
