import Glibc
import Linux
import TestSupport
import Testing

/// Every flag of `run` about the process and the container, as seen from inside or by inspect.
@Suite(.enabled(if: MinidockFixture.isAvailable, MinidockFixture.requirement))
struct RunFlagsTests {
  let fixture: MinidockFixture

  init() throws { fixture = try MinidockFixture("flags") }

  @Test func environmentComesFromTheImageThenTheFileThenTheFlags() throws {
    let file = try fixture.write("env", "# a comment\n\nA=file\nB=from the file\nHOME_OF_TEST\n")
    let seen = try fixture.inside(
      ["--env-file", file, "-e", "A=flag", "--env", "EMPTY=", "-e", "MINIDOCK_RUNROOT"],
      #"echo "$A|$B|${EMPTY-unset}|${HOME_OF_TEST-unset}|$MINIDOCK_RUNROOT|$PATH""#)
    #expect(
      seen
        == "flag|from the file||unset|\(fixture.runRoot)|"
        + "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
  }

  @Test func nothingOfTheHostsEnvironmentGetsIn() throws {
    let result = try fixture.minidock(
      ["run", "--rm", "--network", "none", "busybox", "env"], environment: ["HOST_SECRET=x"])
    #expect(result.status == 0)
    let names = Set(result.output.lines.map { String($0.prefix { $0 != "=" }) })
    #expect(names == ["PATH", "HOSTNAME", "HOME"])
  }

  @Test func workingDirectoryIsMadeWhereItIsMissing() throws {
    #expect(try fixture.inside(["-w", "/made/by run"], "pwd") == "/made/by run")
    #expect(try fixture.inside([], "pwd") == "/")
    try fixture.refuse(["run", "--rm", "-w", "relative", "busybox", "true"], status: 125)
  }

  @Test func userIsANameOrNumbersAndBringsItsGroupsAndHome() throws {
    let script = #"echo "$(id -u):$(id -g):$(id -G):$HOME""#
    #expect(try fixture.inside([], script) == "0:0:0 10:/root")
    #expect(try fixture.inside(["-u", "www-data"], script) == "33:33:33:/var/www")
    #expect(try fixture.inside(["--user", "1234:2345"], script) == "1234:2345:2345:/")
    #expect(try fixture.inside(["-u", "nobody:tty"], script) == "65534:5:5:/home")
    try fixture.refuse(["run", "--rm", "-u", "stranger", "busybox", "true"], status: 125)
  }

  @Test func hostNameIsTheShortIDUnlessGiven() throws {
    #expect(
      try fixture.inside(["--hostname", "web-1"], "hostname; echo $HOSTNAME") == "web-1\nweb-1")
    #expect(try fixture.inside(["-h", "web-2"], "cat /etc/hostname") == "web-2")
    let seen = try fixture.inside(["--cidfile", fixture.file("cid")], "hostname")
    let id = Files.text(fixture.file("cid")) ?? ""
    #expect(id.count == 64)
    #expect(seen == id.prefix(12))
  }

  @Test func entrypointReplacesTheImagesAndDropsItsCommand() throws {
    let result = try fixture.run("--entrypoint", "echo", "busybox", "one", "two words")
    #expect(result.output == "one two words\n")
    #expect(try fixture.run("--entrypoint", "/bin/pwd", "busybox").output == "/\n")
  }

  @Test func wordsAfterTheImageBelongToTheCommand() throws {
    #expect(
      try fixture.run("busybox", "echo", "--rm", "-e", "--", "-x").output == "--rm -e -- -x\n")
    #expect(try fixture.run("busybox", "echo", "--help").output == "--help\n")
  }

  @Test func nameAndLabelsAreRecorded() throws {
    try fixture.succeed(
      "run", "--network", "none", "--name", "first", "-l", "tier=web", "--label", "plain",
      "--stop-signal", "USR1", "busybox", "true")
    #expect(
      try fixture.succeed(
        "inspect", "-f", "{{.Name}} {{json .Config.Labels}} {{.Config.StopSignal}}", "first")
        == #"/first {"plain":"","tier":"web"} SIGUSR1"#)
    let line = try fixture.refuse(["run", "--name", "first", "busybox", "true"], status: 125)
    #expect(line.contains("first"))
    try fixture.refuse(["run", "--name", "../up", "busybox", "true"], status: 125)
    try fixture.refuse(["run", "--stop-signal", "SIGNONE", "busybox", "true"], status: 125)
    try fixture.refuse(["run", "-l", "=x", "busybox", "true"], status: 125)
  }

  @Test func rmLeavesNoRecordAndWithoutItOneStays() throws {
    try fixture.run("busybox", "true")
    #expect(try fixture.succeed("ps", "-aq") == "")
    try fixture.succeed("run", "--network", "none", "--name", "kept", "busybox", "true")
    #expect(try fixture.succeed("ps", "-a", "--format", "{{.Names}}") == "kept")
    try fixture.succeed("rm", "kept")
    try fixture.expectNoLeaks()
  }

  @Test func identifierFileIsNeverOverwritten() throws {
    let path = try fixture.write("cid", "precious")
    try fixture.importBusybox()
    let line = try fixture.refuse(["run", "--cidfile", path, "busybox", "true"], status: 125)
    #expect(line.contains(path))
    #expect(Files.text(path) == "precious")
    try fixture.expectNoLeaks()
  }

  @Test func pullAndPlatformSayWhatTheyCannotDo() throws {
    try fixture.importBusybox()
    for policy in ["missing", "never"] {
      #expect(try fixture.run("--pull", policy, "busybox", "true").status == 0)
    }
    try fixture.refuse(["run", "--pull", "often", "busybox", "true"], status: 125)
    let machine = try fixture.succeed("version", "--format", "{{.OsArch}}")
    #expect(try fixture.run("--platform", machine, "busybox", "true").status == 0)
    let other = machine == "linux/amd64" ? "linux/arm64" : "linux/amd64"
    #expect(
      try fixture.refuse(
        ["run", "--pull", "never", "--platform", other, "busybox", "true"], status: 125
      ).contains(other))
  }

  @Test func bundledImageIsAnnouncedOnStderrOnce() throws {
    let first = try fixture.run("busybox", "true")
    #expect(first.output == "")
    #expect(first.errors.contains("using the bundled image"))
    #expect(first.errors.lines.count == 1)
    #expect(try fixture.run("busybox", "true").errors == "")
    #expect(try fixture.run("--pull", "never", "busybox", "true").status == 0)
  }

  @Test func initIsProcessOneAndReapsOrphans() throws {
    // The orphan goes to process 1. Without --init that is a sleep, which waits for nobody.
    let orphan = """
      (sleep 0.05 &)
      (sleep 0.3; grep -l 'State:.Z' /proc/[0-9]*/status | wc -l) &
      exec sleep 0.6
      """
    #expect(try fixture.inside([], orphan) == "1")
    #expect(try fixture.inside(["--init"], orphan) == "0")
    #expect(try fixture.inside(["--init"], "echo $$") != "1")
    #expect(try fixture.inside(["--init"], "exit 7", status: 7) == "")
    #expect(try fixture.inside(["--init"], "kill -KILL $$", status: 137) == "")
  }

  @Test func limitsOfProcessesAreSet() throws {
    #expect(
      try fixture.inside(
        ["--ulimit", "nofile=100:200", "--ulimit", "core=0"], "ulimit -n; ulimit -Hn; ulimit -c")
        == "100\n200\n0")
    for wrong in ["nofile", "nofile=x", "nofile=5:1", "nonsense=1"] {
      try fixture.refuse(["run", "--ulimit", wrong, "busybox", "true"], status: 125)
    }
  }

  @Test func traceNamesTheStepsOnStderr() throws {
    let result = try fixture.run("--trace", "busybox", "true")
    #expect(result.status == 0)
    #expect(result.output == "")
    for step in ["image", "cgroup", "namespaces", "mounts", "network", "seccomp", "exec", "total"] {
      #expect(result.errors.contains(step), "\(step) in \(result.errors)")
    }
  }
}
