import Linux
import TestSupport
import Testing

/// Names while containers come and go: no question is lost, no answer is stale. `MINIDOCK_TEST_QUERIES`
/// raises the number of questions (100000 is the long form).
@Suite(
  .enabled(if: MinidockFixture.isAvailable, MinidockFixture.requirement),
  .enabled(if: hasProgram("python3"), "needs python3"))
struct NameChurnTests {
  let fixture: MinidockFixture

  init() throws { fixture = try MinidockFixture("churn") }

  @Test func noQuestionIsLostAndNoAnswerStaleWhileTwentyContainersComeAndGo() throws {
    try fixture.succeed("network", "create", "churned")
    // A server of the test's own for all that is nobody's name: no other test has its address.
    let resolver = "127.\(Int.random(in: 2...254)).\(Int.random(in: 0...254)).53"
    try fixture.succeed(
      "run", "-d", "--name", "asker", "--network", "churned", "--dns", resolver, "busybox", "sleep",
      "10000")
    let pid = try fixture.process(of: "asker")
    let queries = Console.environment("MINIDOCK_TEST_QUERIES") ?? "5000"
    try fixture.write("churn.py", NameChurnTests.program)
    let result = try fixture.shell(
      #"python3 "$DIRECTORY/churn.py" "$1" "$2" "$3""#, "\(pid)", queries, resolver,
      timeoutSeconds: 900)
    let words = result.output.trimmingLineFeeds.split(separator: " ").map(String.init)
    #expect(result.status == 0, "\(result.output)\(result.errors)")
    // asked, answered, unknown, changed meanwhile, by TCP; then lost, stale and wrong.
    #expect(words.suffix(3) == ["0", "0", "0"], "\(result.output)\(result.errors)")
    #expect(words.count == 8 && words.prefix(3).allSatisfy { Int($0) ?? 0 > 0 }, "\(result.output)")
    _ = try fixture.shell(#""$MINIDOCK" rm -f $("$MINIDOCK" ps -aq)"#)
    try fixture.succeed("network", "rm", "churned")
    try fixture.expectNoLeaks()
  }

  // Threads start and remove containers and say what holds: nobody knows what a question is to be
  // answered with while a name comes or goes, but before and after there is one right answer. The asker's
  // sockets are opened in its network namespace. One question in 16 goes by TCP.
  private static let program = #"""
    import ctypes, os, random, socket, struct, subprocess, sys, threading, time
    pid, wanted, resolver = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    minidock = os.environ["MINIDOCK"]
    def run(*words):
        done = subprocess.run([minidock, *words], capture_output=True, text=True)
        if done.returncode:
            raise SystemExit("%s: %s" % (words, done.stderr))
        return done.stdout.strip()
    state = {}
    ended = False
    failures = []
    def churn(numbers):
        try:
            while not ended:
                for number in numbers:
                    if ended: return
                    name = "c%d" % number
                    state[name] = None
                    identity = run("run", "-d", "--name", name, "--network", "churned",
                                   "--network-alias", "alias-" + name, "busybox", "sleep", "1000")
                    address = run("inspect", "-f",
                                  "{{.NetworkSettings.Networks.churned.IPAddress}}", identity)
                    state[name] = (address, time.monotonic())
                for number in numbers:
                    if ended: return
                    name = "c%d" % number
                    state[name] = None
                    run("rm", "-f", name)
                    state[name] = ("", time.monotonic())
        except BaseException as error:
            failures.append(str(error))
    # The host's name server: nobody there knows any name but one.
    def reply(question):
        name, rest = b"", question[12:]
        while rest[0]:
            name += rest[1:1 + rest[0]] + b"."
            rest = rest[1 + rest[0]:]
        known = name.lower() == b"outside.example."
        head = question[:2] + struct.pack(">5H", 0x8180 if known else 0x8183, 1, known, 0, 0)
        record = b"\xc0\x0c" + struct.pack(">2HIH", 1, 1, 0, 4) + bytes([192, 0, 2, 99])
        return head + question[12:12 + len(name) + 5] + (record if known else b"")
    def serve_datagrams():
        while True:
            question, peer = upstream.recvfrom(4096)
            upstream.sendto(reply(question), peer)
    def serve_streams():
        while True:
            stream = listener.accept()[0]
            question = b""
            while len(question) < 2 or len(question) < 2 + struct.unpack(">H", question[:2])[0]:
                question += stream.recv(4096)
            answer = reply(question[2:])
            stream.sendall(struct.pack(">H", len(answer)) + answer)
            stream.close()
    upstream = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    upstream.bind((resolver, 53))
    listener = socket.socket()
    listener.bind((resolver, 53))
    listener.listen(64)
    for work in (serve_datagrams, serve_streams):
        threading.Thread(target=work, daemon=True).start()
    namespace = os.open("/proc/%s/ns/net" % pid, os.O_RDONLY)
    own = os.open("/proc/self/ns/net", os.O_RDONLY)
    libc = ctypes.CDLL(None, use_errno=True)
    def inside(kind):
        # Only this thread moves, and comes back.
        if libc.setns(namespace, 0x40000000): raise OSError(ctypes.get_errno(), "setns")
        made = socket.socket(socket.AF_INET, kind)
        if libc.setns(own, 0x40000000): raise OSError(ctypes.get_errno(), "setns")
        made.settimeout(30)
        return made
    server = ("127.0.0.11", 53)
    datagrams = inside(socket.SOCK_DGRAM)
    datagrams.connect(server)
    def ask(name, number, tcp):
        question = b"".join(bytes([len(p)]) + p.encode() for p in name.split(".")) + b"\0"
        message = struct.pack(">6H", number, 0x100, 1, 0, 0, 0) + question + struct.pack(">2H", 1, 1)
        if tcp:
            stream = inside(socket.SOCK_STREAM)
            stream.connect(server)
            stream.sendall(struct.pack(">H", len(message)) + message)
            data = b""
            while len(data) < 2 or len(data) < 2 + struct.unpack(">H", data[:2])[0]:
                more = stream.recv(4096)
                if not more: return None
                data += more
            stream.close()
            answer = data[2:]
        else:
            datagrams.send(message)
            while True:
                answer = datagrams.recv(4096)
                if answer[:2] == message[:2]: break
        code, count = answer[3] & 15, struct.unpack(">H", answer[6:8])[0]
        if code == 3: return ""
        if code or not count: return "code %d" % code
        return socket.inet_ntoa(answer[-4:])
    names = ["c%d" % n for n in range(20)]
    for name in names: state[name] = ("", time.monotonic())
    names.append("outside.example")
    state["outside.example"] = ("192.0.2.99", 0)
    threads = [threading.Thread(target=churn, args=(range(k, 20, 2),), daemon=True) for k in (0, 1)]
    for thread in threads: thread.start()
    asked = answered = unknown = changed = tcp_count = lost = stale = wrong = 0
    random.seed(int(pid))
    # However fast the answers come, both kinds of answers are among them.
    while (asked < wanted or not answered or not unknown) and not failures:
        name = random.choice(names)
        # An answer that is known for a moment is what a program could count on.
        before = state[name]
        tcp = asked % 16 == 0
        tcp_count += tcp
        form = name
        if "." not in name:
            form = random.choice([name, name.upper(), "alias-" + name, name + ".churned"])
        try:
            seen = ask(form, asked & 65535, tcp)
        except socket.timeout:
            seen = None
        asked += 1
        if seen is None:
            lost += 1
        elif before is None or state[name] is not before:
            changed += 1
        elif seen == before[0]:
            if seen: answered += 1
            else: unknown += 1
        elif before[0] == "": stale += 1; print(form, "stale", seen, file=sys.stderr)
        else: wrong += 1; print(form, "is", before[0], "not", seen, file=sys.stderr)
        if asked % 50 == 0: time.sleep(0.02)
    ended = True
    for thread in threads: thread.join(120)
    if failures: raise SystemExit(failures[0])
    print(asked, answered, unknown, changed, tcp_count, lost, stale, wrong)
    """#
}
