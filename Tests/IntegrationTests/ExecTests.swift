import Glibc
import Linux
import TestSupport
import Testing

/// `exec`: a further process with all that the container's first one has, and no more.
@Suite(.enabled(if: MinidockFixture.isAvailable, MinidockFixture.requirement))
struct ExecTests {
  let fixture: MinidockFixture

  init() throws {
    fixture = try MinidockFixture("exec")
    try fixture.importBusybox()
  }

  private func detached(_ flags: String...) throws {
    try fixture.succeed(
      ["run", "-d", "--network", "none", "--name", "box"] + flags + ["busybox", "sleep", "600"])
  }

  private func exec(_ flags: [String], _ script: String) throws -> String {
    let result = try fixture.minidock(["exec"] + flags + ["box", "sh", "-c", script])
    #expect(result.status == 0, "\(flags) \(script): \(result)")
    return result.output.trimmingLineFeeds
  }

  @Test func itJoinsEveryNamespaceAndTheCgroup() throws {
    try fixture.succeed("run", "-d", "--name", "box", "busybox", "sleep", "600")
    for kind in ["mnt", "pid", "net", "uts", "ipc", "cgroup", "user"] {
      let first = try exec([], "readlink /proc/1/ns/\(kind)")
      #expect(try exec([], "readlink /proc/self/ns/\(kind)") == first, "\(kind)")
      let host = SymbolicLinks.read("/proc/self/ns/\(kind)")
      #expect((first == host) == (kind == "user"), "\(kind)")
    }
    #expect(try exec([], "cat /proc/self/cgroup") == exec([], "cat /proc/1/cgroup"))
    // From outside: the same groups in every tree.
    let pid = try fixture.process(of: "box")
    let other = try fixture.start("exec", "box", "sleep", "599")
    try fixture.eventually("it runs") { try exec([], "ps").contains("sleep 599") }
    let group = Files.text("/proc/\(pid)/cgroup") ?? ""
    let inside = fixture.processes().filter { Files.text("/proc/\($0)/cgroup") == group }
    #expect(inside.count == 2, "\(inside)")
    other.signal(SIGKILL)
    try fixture.succeed("rm", "-f", "box")
    try fixture.expectNoLeaks()
  }

  @Test func userDirectoryAndEnvironmentAreTheContainersUnlessSaidOtherwise() throws {
    try detached("-u", "1000:1000", "-w", "/tmp", "-e", "A=1", "-e", "B=2", "-h", "boxy")
    let script = "echo $(id -u):$(id -g) $PWD $A$B $HOSTNAME"
    #expect(try exec([], script) == "1000:1000 /tmp 12 boxy")
    try fixture.write("more.env", "B=4\nC=5\n")
    #expect(
      try exec(
        ["-u", "root", "-w", "/etc", "-e", "A=3", "--env-file", fixture.file("more.env")],
        script + "$C") == "0:0 /etc 34 boxy5")
    for (flags, status, part) in [
      (["-w", "/none"], 126, "/none"), (["-u", "nobody9"], 126, "nobody9"),
      (["-u", "4294967295"], 126, "4294967295"), (["-e", "=x"], 1, "--env"),
    ] as [([String], Int32, String)] {
      let failure = try fixture.refuse(["exec"] + flags + ["box", "true"], status: status)
      #expect(failure.contains(part), "\(failure)")
    }
    try fixture.succeed("rm", "-f", "box")
  }

  @Test func theStatusIsTheCommands() throws {
    try detached()
    for (words, status) in [
      (["true"], 0), (["sh", "-c", "exit 7"], 7), (["sh", "-c", "kill -9 $$"], 137),
      (["nosuch"], 127), (["/none/such"], 127), (["/etc"], 126), (["/etc/hostname"], 126),
    ] as [([String], Int32)] {
      #expect(try fixture.minidock(["exec", "box"] + words).status == status, "\(words)")
    }
    #expect(
      try fixture.refuse(["exec", "nobody", "true"], status: 1).contains("no such container"))
    #expect(try fixture.minidock("exec", "box").status == 125)
    try fixture.succeed("stop", "-t", "0", "box")
    #expect(
      try fixture.refuse(["exec", "box", "true"], status: 1).contains("exited, not running"))
    try fixture.succeed("rm", "box")
  }

  @Test func streamsAreApartAndByteExact() throws {
    try detached("-v", fixture.directory + ":/d")
    let result = try fixture.shell(
      """
      set -e -o pipefail
      head -c 20000000 /dev/urandom > "$DIRECTORY/data"
      "$MINIDOCK" exec -i box cat < "$DIRECTORY/data" | cmp - "$DIRECTORY/data"
      "$MINIDOCK" exec box sh -c 'cat /d/data >&2; echo out' 2> "$DIRECTORY/err"
      cmp "$DIRECTORY/err" "$DIRECTORY/data"
      echo none | "$MINIDOCK" exec box cat
      """)
    #expect(result.status == 0 && result.output == "out\n", "\(result.errors)")
    try fixture.succeed("rm", "-f", "box")
  }

  @Test func itEndsWithItsClientUnlessDetached() throws {
    try detached()
    let dying = try fixture.start("exec", "box", "sleep", "598")
    let leaving = try fixture.start("exec", "box", "sleep", "597")
    let stubborn = try fixture.start(
      "exec", "box", "sh", "-c", "trap 'exit 3' INT; while :; do sleep 0.02; done; : 596")
    #expect(try fixture.succeed("exec", "-d", "box", "sleep", "595") == "")
    try fixture.eventually("all run") {
      let list = try exec([], "ps -o args")
      return ["sleep 598", "sleep 597", "sleep 595", ": 596"].allSatisfy { list.contains($0) }
    }
    dying.signal(SIGKILL)
    leaving.signal(SIGINT)
    stubborn.signal(SIGINT)
    #expect(try stubborn.wait(timeoutSeconds: 10).status == 3)
    #expect(try leaving.wait(timeoutSeconds: 10).status == 130)
    try fixture.eventually("they have ended") {
      let list = try exec([], "ps -o args")
      return !list.contains("sleep 598") && !list.contains("sleep 597")
        && list.contains("sleep 595")
    }
    try fixture.succeed("rm", "-f", "box")
    try fixture.expectNoLeaks()
  }

  @Test func theEndOfTheContainerEndsIt() throws {
    try detached()
    let exec = try fixture.start("exec", "box", "sleep", "594")
    try fixture.eventually("it runs") { try self.exec([], "ps -o args").contains("sleep 594") }
    try fixture.succeed("stop", "-t", "0", "box")
    #expect(try exec.wait(timeoutSeconds: 10).status == 137)
    try fixture.succeed("rm", "box")
    try fixture.expectNoLeaks()
  }

  @Test func limitsOfTheContainerHoldForItToo() throws {
    try detached(
      "--ulimit", "nofile=77", "--pids-limit", "20", "-m", "32m", "--oom-score-adj", "500")
    #expect(try exec([], "ulimit -n; cat /proc/self/oom_score_adj").lines == ["77", "500"])
    let bomb = try fixture.minidock(
      ["exec", "box", "sh", "-c", "for i in $(seq 50); do sleep 5 & done; wait"])
    #expect(bomb.errors.contains("fork"), "\(bomb)")
    let hungry = try fixture.minidock(
      ["exec", "box", "sh", "-c", "head -c 100000000 /dev/zero | tail -c 90000000 > /dev/null"])
    #expect(hungry.status != 0)
    try fixture.succeed("rm", "-f", "box")
  }

  // MARK: - Security rows that exec must hold again

  /// Row 1: the process that enters the container executes a program that cannot be written to.
  @Test func sec01_CVE_2019_5736_execDoesNotOpenTheHostsBinaryForWriting() throws {
    try fixture.importImage(
      "trap", changes: #"printf '#!/proc/self/exe\n' > bin/trap; chmod 755 bin/trap"#)
    let before = try #require(try Files.read(MinidockFixture.binary, limit: 1 << 30)).count
    let digest = try run(["sha256sum", MinidockFixture.binary]).output
    try fixture.succeed(
      "run", "-d", "--network", "none", "--name", "box", "--cap-add", "SYS_PTRACE", "trap", "sh",
      "-c",
      """
      while :; do for p in /proc/[0-9]*; do
        case $(readlink $p/exe) in *minidock*) (echo x > $p/exe) 2>/dev/null && echo WROTE ;; esac
      done; done
      """)
    for _ in 0..<30 { try fixture.minidock("exec", "box", "/bin/trap") }
    #expect(try !fixture.succeed("logs", "box").contains("WROTE"))
    #expect(try run(["sha256sum", MinidockFixture.binary]).output == digest && before > 0)
    try fixture.succeed("rm", "-f", "box")
  }

  /// Row 2: nothing of the host's that the caller has open reaches the command, and no working directory
  /// leads out.
  @Test func sec02_CVE_2024_21626_execInheritsNoDescriptorAndNoWayOut() throws {
    try detached()
    let list = try fixture.shell(
      """
      for n in $(seq 3 60); do eval "exec $n< /etc"; done
      "$MINIDOCK" exec box sh -c 'ls /proc/self/fd; cd /proc/$$/fd && ls' | sort -u
      """)
    // 3 is the directory that ls itself reads.
    #expect(Set(list.output.lines).isSubset(of: ["0", "1", "2", "3", "10"]), "\(list)")
    for number in 3...20 {
      let result = try fixture.shell(
        """
        exec 7< /; exec 9< /etc
        "$MINIDOCK" exec -w /proc/self/fd/\(number) box sh -c 'pwd; ls'
        """)
      #expect(result.status != 0 && result.output == "", "\(number): \(result)")
    }
    // Control: the same descriptors do reach a program that is executed without the closing.
    let control = try fixture.shell("exec 7< /etc; ls /proc/self/fd")
    #expect(control.output.lines.contains("7"))
    try fixture.succeed("rm", "-f", "box")
  }

  /// Row 12: no inheritable or ambient capabilities, and never more than the container has.
  @Test func sec12_CVE_2022_24769_execHasNoMoreCapabilitiesThanTheContainer() throws {
    func sets(_ flags: [String]) throws -> [String: UInt64] {
      let text = try exec(flags, "cat /proc/self/status")
      var sets: [String: UInt64] = [:]
      for line in text.lines where line.hasPrefix("Cap") {
        sets[String(line.prefix(6))] = UInt64(line.dropFirst(8), radix: 16)
      }
      return sets
    }
    for flags in [[], ["--cap-drop", "ALL", "--cap-add", "CHOWN"], ["--cap-add", "SYS_TIME"]] {
      try fixture.succeed(
        ["run", "-d", "--network", "none", "--name", "box"] + flags + ["busybox", "sleep", "600"])
      let first = try exec([], "cat /proc/1/status").lines.first { $0.hasPrefix("CapBnd") }
      let bound = try #require(first.flatMap { UInt64($0.dropFirst(8), radix: 16) })
      for user in [[], ["-u", "1000"]] {
        let found = try sets(user)
        #expect(found["CapInh"] == 0 && found["CapAmb"] == 0, "\(flags) \(user)")
        for name in ["CapPrm", "CapEff", "CapBnd"] {
          #expect((found[name] ?? .max) & ~bound == 0, "\(flags) \(user) \(name)")
        }
      }
      // Control: --privileged is another matter.
      #expect((try sets(["--privileged"])["CapBnd"] ?? 0) & ~bound != 0)
      try fixture.succeed("rm", "-f", "box")
    }
  }

  /// Row 13: a group that is denied stays denied.
  @Test func sec13_CVE_2022_2990_execHasTheUsersGroups() throws {
    try fixture.importImage(
      "groups",
      changes: """
        echo 'user:x:1000:1000::/:/bin/sh' >> etc/passwd; echo 'denied:x:3000:user' >> etc/group
        echo secret > secret; chown 0:3000 secret; chmod 0704 secret
        """)
    try fixture.succeed("run", "-d", "--network", "none", "--name", "box", "groups", "sleep", "600")
    #expect(try exec(["-u", "user"], "id -G") == "1000 3000")
    let denied = try fixture.minidock("exec", "-u", "user", "box", "cat", "/secret")
    #expect(denied.status != 0 && denied.output == "")
    // Control: without the group the file is open to everybody.
    #expect(try exec(["-u", "1000:1000"], "id -G; cat /secret").lines == ["1000", "secret"])
    try fixture.succeed("rm", "-f", "box")
  }

  /// Row 14: digits are a user id or an error, never a name and never root.
  @Test func sec14_CVE_2024_40635_execTakesDigitsForANumber() throws {
    try fixture.importImage(
      "names",
      changes: """
        printf '4294967295:x:0:0::/:/bin/sh\\n4294967296:x:0:0::/:/bin/sh\\n2147483648:x:0:0::/:/bin/sh
        1:x:0:0::/:/bin/sh\\n01:x:0:0::/:/bin/sh\\n-1:x:0:0::/:/bin/sh\\n' >> etc/passwd
        """)
    try fixture.succeed("run", "-d", "--network", "none", "--name", "box", "names", "sleep", "600")
    for (text, expected) in [
      ("1", "1"), ("01", "1"), ("2147483648", "2147483648"), ("4294967294", "4294967294"),
      ("-1", nil), ("4294967295", nil), ("4294967296", nil), ("1:", nil), ("99999999999", nil),
    ] as [(String, String?)] {
      let result = try fixture.minidock(["exec", "--user=\(text)", "box", "id", "-u"])
      if let expected {
        #expect(result.output == expected + "\n", "\(text): \(result)")
      } else {
        #expect(result.status != 0 && result.output == "", "\(text): \(result)")
      }
    }
    try fixture.succeed("rm", "-f", "box")
  }
}
