import Glibc
import Linux
import TestSupport
import Testing

/// `minidock oci exec`, terminals and the descriptors that a command keeps.
@Suite(.enabled(if: MinidockFixture.isAvailable, MinidockFixture.requirement))
struct OCIExecTests {
  let fixture: OCIFixture

  init() throws { fixture = try OCIFixture("exec") }

  @Test func `exec takes its options and passes the status`() throws {
    let id = try fixture.running("exec")
    let plain = try fixture.oci("exec", id, "sh", "-c", "pwd; id -u; echo $$ >&2; exit 3")
    #expect((plain.status, plain.output) == (3, "/\n0\n"))
    let options = [
      "--cwd", "/tmp", "--env", "A=b", "-e", "C=d", "--user", "5:6", "--additional-gids", "9",
      "--cap", "CAP_NET_RAW", "--no-new-privs",
    ]
    let script = "pwd; echo $A$C; id -u; id -G; grep -E 'CapBnd|NoNew' /proc/self/status"
    let changed = try fixture.oci(["exec"] + options + [id, "sh", "-c", script])
    #expect(
      changed.output == "/tmp\nbd\n5\n6 9\nCapBnd:\t00000000000020eb\nNoNewPrivs:\t1\n",
      "\(changed)")
    let process = try fixture.base.write(
      "process.json",
      #"{"cwd":"/tmp","args":["sh","-c","pwd; id -u; exit 9"],"env":["PATH=/bin"],"#
        + #""user":{"uid":7}}"#)
    let file = try fixture.oci("exec", "--process", process, id)
    #expect((file.status, file.output) == (9, "/tmp\n7\n"), "\(file)")
    let pidFile = fixture.base.file("pid")
    let detached = try fixture.start(["exec", "-d", "--pid-file", pidFile, id, "sleep", "999"])
    #expect(try detached.wait(timeoutSeconds: 60).status == 0)
    #expect(try fixture.oci("ps", id).output.contains("\(Files.text(pidFile) ?? "none") "))
    #expect(try fixture.oci("exec", id, "sh", "-c", "kill -9 $$").status == 137)
  }

  @Test func `exec refuses what makes no sense`() throws {
    let id = try fixture.running("refuse")
    let broken = try fixture.base.write("broken.json", #"{"cwd":"/","args":["true"],"env":3}"#)
    for (words, reason) in [
      (["absent"], "\"absent\""), (["--cwd", "relative", "true"], "process.cwd"),
      (["--user", "root", "true"], "--user root"), (["--user", "4294967295", "true"], "--user"),
      (["--process", broken], "env"),
      (["--cgroup", "../other", "true"], "cgroup"), (["--cwd", "/absent", "true"], "/absent"),
      (["-d", "-t", "true"], "cannot allocate tty without a console socket"),
    ] as [([String], String)] {
      let command = words.last == "true" || words == ["absent"] ? [words.last!] : []
      let options = Array(words.dropLast(command.count))
      fixture.expectFailure(try fixture.oci(["exec"] + options + [id] + command), reason)
    }
    fixture.expectFailure(try fixture.oci("exec", "nobody", "true"), "container does not exist")
  }

  @Test func `a terminal goes to the console socket`() throws {
    let path = try fixture.bundle("console", ["sh", "-c", "tty; stty size; read x; echo got $x"]) {
      config in
      try config.set("process.terminal", "true")
      try config.set("process.consoleSize", #"{"height":33,"width":99}"#)
    }
    let id = fixture.id("console")
    fixture.expectFailure(
      try fixture.oci("create", "--bundle", path, id),
      "cannot allocate tty without a console socket")
    let socket = fixture.base.file("console")
    let receiver = try fixture.receiver("tty", socket)
    let created = try fixture.oci("create", "--bundle", path, "--console-socket", socket, id)
    #expect(created.status == 0, "\(created)")
    #expect(try receiver.wait(untilOutput: { $0.contains("/dev/ptmx 1") }, timeoutSeconds: 60))
    #expect(try fixture.oci("start", id).status == 0)
    let text = try receiver.wait(timeoutSeconds: 60).output
    for line in ["/dev/pts/0\r\n", "33 99\r\n", "got typed\r\n"] {
      #expect(text.contains(line), "\(text)")
    }
    let plain = try fixture.bundle("plain", ["true"])
    fixture.expectFailure(
      try fixture.oci(
        "create", "--bundle", plain, "--console-socket", socket, fixture.id("plain")),
      "process.terminal is false")
  }

  @Test func `exec -t goes to the console socket`() throws {
    let id = try fixture.running("tty")
    let socket = fixture.base.file("tty")
    let receiver = try fixture.receiver("tty", socket)
    let started = try fixture.start([
      "exec", "-d", "-t", "--console-socket", socket, id, "sh", "-c", "read x; tty; echo got $x",
    ])
    #expect(try started.wait(timeoutSeconds: 60).status == 0)
    let text = try receiver.wait(timeoutSeconds: 60).output
    #expect(text.contains("/dev/pts/0\r\ngot typed\r\n"), "\(text)")
  }

  @Test func `preserved descriptors reach the command and no others`() throws {
    let path = try fixture.bundle("fds", ["sh", "-c", "cat <&3; ls /proc/self/fd | tr '\\n' ' '"])
    let script = """
      exec 3<"$1" 4<"$1" 5<"$1"
      "$MINIDOCK-oci" --root "$2" run --bundle "$3" --preserve-fds "$4" "$5"
      """
    let file = try fixture.base.write("kept", "kept\n")
    func run(_ count: String) throws -> CommandResult {
      try fixture.base.shell(script, file, fixture.root, path, count, fixture.id("fds"))
    }
    // The last number is the directory that ls reads.
    #expect(try run("1").output == "kept\n0 1 2 3 4 ")
    #expect(try run("2").output == "kept\n0 1 2 3 4 5 ")
    #expect(try run("0").output == "0 1 2 3 ")
    fixture.expectFailure(try run("900"), "is not open")
    let id = try fixture.running("running")
    let inside = try fixture.base.shell(
      """
      exec 3<"$1" 4<"$1"
      "$MINIDOCK-oci" --root "$2" exec --preserve-fds 1 "$3" sh -c 'cat <&3; ls /proc/self/fd' | tr '\\n' ' '
      """, file, fixture.root, id)
    #expect(inside.output == "kept 0 1 2 3 4 ", "\(inside)")
  }

  @Test func `a filter's questions go to the listener`() throws {
    let socket = fixture.base.file("notify")
    let receiver = try fixture.receiver("notify", socket)
    let path = try fixture.bundle("notify", ["sh", "-c", "mkdir /tmp/asked; echo went on"]) {
      config in
      try config.set(
        "linux.seccomp",
        #"{"defaultAction":"SCMP_ACT_ALLOW","listenerPath":"\#(socket)","listenerMetadata":"mine","#
          + #""syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_NOTIFY"}]}"#)
    }
    let id = fixture.id("notify")
    let result = try fixture.oci("run", "--bundle", path, id)
    #expect(result.output == "went on\n", "\(result)")
    #expect(result.errors.contains("Operation not permitted"), "\(result)")
    let told = try receiver.wait(timeoutSeconds: 60)
    let line = told.output.split(separator: "\n").dropFirst().first ?? ""
    let document = try JSONValue(parsing: Array(line.dropLast(2).utf8))
    #expect(document["metadata"]?.plainText == "mine")
    #expect(document["state"]?["id"]?.plainText == id)
    #expect(told.output.contains("question "), "\(told)")
    try fixture.expectRefused("linux.seccomp.flags") {
      try $0.set(
        "linux.seccomp",
        #"{"defaultAction":"SCMP_ACT_ALLOW","flags":["SECCOMP_FILTER_FLAG_FLY"],"syscalls":[]}"#)
    }
    try fixture.expectRefused("linux.seccomp") { config in
      try config.set(
        "linux.seccomp",
        #"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir"],"#
          + #""action":"SCMP_ACT_NOTIFY"}]}"#)
    }
  }
}
