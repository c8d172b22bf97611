import ArgumentParser
import Engine
import Linux
import Runtime
import TestSupport
import Testing

@testable import minidock

@Suite struct RunCommandTests {
  private func options(_ words: String...) throws -> RunOptions {
    try #require(try RunWords.parse(words))
  }

  @Test func `words after the image are the command's, whatever they look like`() throws {
    let options = try options(
      "--rm", "-i", "busybox", "sh", "-c", "echo $0", "--rm", "-t", "--name=x", "--", "-")
    #expect(options.image == "busybox")
    #expect(options.command == ["sh", "-c", "echo $0", "--rm", "-t", "--name=x", "--", "-"])
    #expect(options.autoRemove)
    #expect(options.interactive)
    #expect(!options.terminal)
    #expect(options.name == nil)
  }

  @Test func `no flags mean docker's defaults`() throws {
    let options = try options("busybox")
    #expect(options.command == [])
    #expect(options.network == .bridge)
    #expect(options.shmSize == 64 << 20)
    #expect(options.detachKeys == "ctrl-p,ctrl-q")
    #expect(options.entrypoint == nil)
    #expect(options.signalProxy)
    #expect(options.pull == .missing)
  }

  @Test func `flags take their values apart or joined`() throws {
    let options = try options(
      "--name=web", "-e", "A=1", "--env", "B=2", "-e", "A=3", "-w", "/w", "-u", "1:2", "-h", "host",
      "--network", "none", "-v", "/a:/b:ro", "--tmpfs", "/t", "--cap-add", "NET_ADMIN",
      "--cap-drop=ALL", "-l", "a=b", "--label", "c", "--entrypoint", "", "--read-only", "--init",
      "--shm-size", "1m", "--sysctl", "net.x=1=2", "--ulimit", "nofile=5", "--device", "/dev/fuse",
      "--security-opt", "no-new-privileges", "--stop-signal", "INT", "--sig-proxy=false", "busybox")
    #expect(options.name == "web")
    #expect(options.environment == ["A=3", "B=2"])
    #expect(options.workingDirectory == "/w")
    #expect(options.user == "1:2")
    #expect(options.hostname == "host")
    #expect(options.network == .none)
    #expect(options.mounts.map(\.target) == ["/b", "/t"])
    #expect(options.capabilitiesAdded == ["NET_ADMIN"])
    #expect(options.capabilitiesDropped == ["ALL"])
    #expect(options.labels == ["a": "b", "c": ""])
    #expect(options.entrypoint == [])
    #expect(options.readOnly && options.usesInit && !options.signalProxy)
    #expect(options.shmSize == 1 << 20)
    #expect(options.sysctls == ["net.x": "1=2"])
    #expect(options.limits.count == 1)
    #expect(options.devices.count == 1)
    #expect(options.security.noNewPrivileges)
    #expect(options.stopSignal == "INT")
  }

  @Test func `negative values are values`() throws {
    let options = try options(
      "--memory-swap", "-1", "--pids-limit", "-1", "--oom-score-adj", "-500", "busybox")
    #expect(options.oomScoreAdjust == -500)
    #expect(options.resources.pids?.limit == -1)
  }

  @Test(arguments: [
    [], ["--rm"], ["--nonsense", "busybox"], ["--name"], ["--rm=maybe", "busybox"], ["-m"],
    ["-y", "busybox"],
  ])
  func `words that make no sense are left to the parser that explains them`(words: [String]) throws
  {
    #expect(try RunWords.parse(words).map { _ in true } == nil)
    #expect(throws: (any Error).self) { try RunCommand.parseAsRoot(words) }
  }

  @Test(arguments: [
    ["--pull", "often"], ["--label", "=x"], ["--network", "my/net"], ["--shm-size", "0"],
    ["--shm-size", "x"], ["-v", "x"], ["--mount", "x"], ["--sysctl", "x"],
    ["--oom-score-adj", "1001"],
    ["--ulimit", "x"], ["--device", "x"], ["--security-opt", "x"], ["-e", "=x"], ["--cpus", "x"],
    ["-m", "1k"], ["--env-file", "/no/such/file"],
  ])
  func `values that make no sense are failures`(words: [String]) throws {
    let failure = thrownBy { () throws(Failure) in _ = try RunWords.parse(words + ["busybox"]) }
    #expect(failure != nil)
    #expect(failure?.exitCode == 125)
  }

  @Test func `flags can be joined, and switches take docker's booleans`() throws {
    let joined = try options("-tm64m", "-eA=1", "--rm=true", "--init=false", "busybox")
    #expect(!joined.interactive && joined.terminal && joined.autoRemove && !joined.usesInit)
    #expect(joined.environment == ["A=1"])
    #expect(joined.resources.memory?.limit == 64 << 20)
    #expect(try options("-w", "-x", "busybox").workingDirectory == "-x")
    #expect(try options("--", "busybox", "--", "x").command == ["--", "x"])
  }

  @Test func `help describes exactly the flags that are understood`() throws {
    var described: Set<String> = []
    for line in RunCommand.helpMessage(columns: 200).split(separator: "\n")
    where line.hasPrefix("  -") {
      for word in line.split(whereSeparator: { " ,/=<".contains($0) })
      where word.hasPrefix("-") && word.contains(where: \.isLetter) {
        described.insert(String(word))
      }
    }
    described.subtract(["--help"])
    #expect(described.count > 60)
    func isUnderstood(_ name: String) -> Bool {
      var draft = RunDraft()
      return draft.turn(name, true) || draft.takesValue(name)
    }
    #expect(described.filter { !isUnderstood($0) }.sorted() == [])
    #expect(Set(RunDraft.valueNames).subtracting(described).sorted() == [])
    var draft = RunDraft()
    #expect(!draft.turn("--nonsense", true) && !draft.takesValue("--nonsense"))
  }

  @Test func `failures have docker's exit codes`() throws {
    let command = try #require(try RunCommand.parseAsRoot(["busybox"]) as? RunCommand)
    for (code, status) in [
      (Failure.Code.notExecutable, Int32(126)), (.commandNotFound, 127), (.system, 125),
      (.notFound, 125),
    ] {
      #expect(command.status(for: Failure(code, "run", reason: "x")) == status)
    }
  }
}

@Suite struct GlobalOptionsTests {
  private func take(_ words: [String]) throws(Failure) -> (GlobalOptions, [String]) {
    var rest = words[...]
    var options = GlobalOptions()
    try options.take(from: &rest)
    return (options, Array(rest))
  }

  @Test func `they are taken from the front alone`() throws {
    let (options, rest) = try take(["--root", "/a", "--runroot=/b", "run", "--root", "/c"])
    #expect(options.root == "/a")
    #expect(options.runRoot == "/b")
    #expect(rest == ["run", "--root", "/c"])
    #expect(try take(["ps"]).1 == ["ps"])
    #expect(try take([]).1 == [])
    #expect(try take(["--root=/a=b"]).0.root == "/a=b")
  }

  @Test(arguments: [["--root"], ["--root="], ["--runroot", ""], ["--rootless"], ["--roots=/x"]])
  func `without a directory they are errors`(words: [String]) {
    #expect(thrownBy { () throws(Failure) in _ = try take(words) }?.code == .invalid)
  }
}

/// What dispatching prints goes to this process's own streams; the statuses are what counts.
@Suite struct CommandDispatchTests {
  private func status(_ words: String...) -> Int32 { CommandDispatch(["minidock"] + words).run() }

  private let names = MinidockCommand.configuration.subcommands.compactMap {
    $0.configuration.commandName
  }

  @Test func `help and version are no failures`() {
    #expect(status("--help") == 0)
    #expect(status() == 0)
    #expect(status("--version") == 0)
    for name in names {
      #expect(status(name, "--help") == 0, "\(name)")
    }
  }

  @Test func `mistakes in the words are docker's 125`() {
    #expect(status("nonsense") == 125)
    #expect(status("--nonsense") == 125)
    #expect(status("--root") == 125)
    #expect(status("run") == 125)
    #expect(status("run", "--nonsense", "busybox") == 125)
    #expect(status("ps", "--nonsense") == 125)
    #expect(status("run", "--memory", "x", "busybox") == 125)
  }

  @Test(.enabled(if: isRoot, "needs root"))
  func `a failure of another command is 1`() throws {
    let directory = try TemporaryDirectory("cli")
    let places = ["--root", directory.file("root"), "--runroot", directory.file("run")]
    func status(_ words: String...) -> Int32 {
      CommandDispatch(["minidock"] + places + words).run()
    }
    #expect(status("ps") == 0)
    #expect(status("images", "-q") == 0)
    #expect(status("ps", "--filter", "colour=red") == 1)
    #expect(status("inspect", "nothing") == 1)
    #expect(status("rm", "nothing") == 1)
    #expect(status("rmi", "nothing") == 1)
    #expect(status("import", "/no/such/file") == 1)
  }

  @Test func `every command shows an example and its own name`() throws {
    #expect(names.count > 9)
    for name in names where MinidockCommand.group(named: name) == nil {
      let command = try #require(MinidockCommand.command(named: name))
      #expect(command.configuration.commandName == name)
      #expect(command.configuration.discussion.contains("minidock \(name)"), "\(name)")
    }
  }
}
