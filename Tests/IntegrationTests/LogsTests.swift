import Glibc
import Linux
import TestSupport
import Testing

/// `logs`: bounded, apart, byte-exact, followed by any number across rotation.
@Suite(.enabled(if: MinidockFixture.isAvailable, MinidockFixture.requirement))
struct LogsTests {
  let fixture: MinidockFixture

  init() throws {
    fixture = try MinidockFixture("logs")
    try fixture.importBusybox()
  }

  private func detached(_ name: String, _ flags: [String], _ script: String) throws {
    try fixture.succeed(
      ["run", "-d", "--network", "none", "--name", name] + flags + ["busybox", "sh", "-c", script])
  }

  @Test func bothStreamsComeOutWhereTheyWentIn() throws {
    try detached("both", [], "echo out; echo err >&2; printf last")
    try fixture.succeed("wait", "both")
    let result = try fixture.minidock("logs", "both")
    #expect(result.output == "out\nlast" && result.errors == "err\n" && result.status == 0)
    // The containers of a foreground run keep one too, unless they remove themselves.
    let run = try fixture.minidock(
      "run", "--network", "none", "--name", "front", "busybox", "echo", "x")
    #expect(run.output == "x\n")
    #expect(try fixture.succeed("logs", "front") == "x")
    try fixture.succeed("rm", "both", "front")
  }

  @Test func timesStandInFrontOfLinesAndChooseThem() throws {
    try detached("timed", [], "echo one; sleep 0.3; echo two; printf un; sleep 0.3; echo finished")
    try fixture.succeed("wait", "timed")
    let lines = try fixture.succeed("logs", "-t", "timed").lines
    #expect(lines.count == 3)
    let times = lines.compactMap { Timestamp(String($0.prefix { $0 != " " })) }
    #expect(times.count == 3 && times == times.sorted())
    #expect(lines[2].hasSuffix(" unfinished"))
    #expect(times[1].nanoseconds - times[0].nanoseconds > 200_000_000)
    // Nanoseconds: not all end in zeros.
    #expect(times.contains { $0.nanoseconds % 1_000_000 != 0 })
    let second = times[1].description
    #expect(try fixture.succeed("logs", "--since", second, "timed").lines.first == "two")
    #expect(try fixture.succeed("logs", "--until", second, "timed").lines.last == "two")
    #expect(try fixture.succeed("logs", "--since", "1h", "timed").lines.count == 3)
    #expect(try fixture.succeed("logs", "--until", "1h", "timed") == "")
    #expect(
      try fixture.refuse(["logs", "--since", "soon", "timed"], status: 1).contains("--since"))
    try fixture.succeed("rm", "timed")
  }

  @Test func tailShowsTheLastLines() throws {
    try detached("tailed", [], "for n in 1 2 3 4 5; do echo $n; done; printf six")
    try fixture.succeed("wait", "tailed")
    for (count, expected) in [
      ("0", []), ("1", ["six"]), ("3", ["4", "5", "six"]),
      ("99", ["1", "2", "3", "4", "5", "six"]),
      ("all", ["1", "2", "3", "4", "5", "six"]),
    ] {
      #expect(try fixture.succeed("logs", "-n", count, "tailed").lines == expected, "\(count)")
    }
    #expect(try fixture.refuse(["logs", "-n", "x", "tailed"], status: 1).contains("--tail"))
    try fixture.succeed("rm", "tailed")
  }

  @Test func theLogIsBoundedAndKeepsTheEnd() throws {
    try detached(
      "bounded", ["--log-opt", "max-size=64k", "--log-opt", "max-file=2"],
      "i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done")
    try fixture.succeed("wait", "bounded")
    let size = try fixture.shell(#"du -sb "$MINIDOCK_ROOT"/containers/*/log | cut -f1"#).output
    #expect((Int(size.trimmingLineFeeds) ?? .max) < 2 * 64 << 10 + 64 << 10, "\(size)")
    let lines = try fixture.succeed("logs", "bounded").lines
    #expect(lines.last == "line 19999" && lines.count > 1000 && lines.count < 19999)
    // What is left has no hole.
    let numbers = lines.dropFirst().compactMap { Int($0.dropFirst(5)) }
    #expect(zip(numbers, numbers.dropFirst()).allSatisfy { $1 == $0 + 1 })
    try fixture.succeed("rm", "bounded")
  }

  @Test func followersSeeEveryByteAcrossRotation() throws {
    try detached(
      "followed", ["--log-opt", "max-size=256k", "--log-opt", "max-file=4"],
      "sleep 0.5; i=0; while [ $i -lt 100 ]; do seq $((i*1000)) $((i*1000+999)); i=$((i+1)); sleep 0.01; done"
    )
    let followers = try (0..<3).map { _ in try fixture.start("logs", "-f", "followed") }
    let late = try fixture.start("logs", "-f", "-n", "0", "followed")
    let expected = (0..<100_000).map { "\($0)\n" }.joined()
    for follower in followers {
      let result = try follower.wait(timeoutSeconds: 60)
      #expect(result.status == 0)
      #expect(result.output == expected, "\(result.output.utf8.count) of \(expected.utf8.count)")
    }
    #expect(try late.wait(timeoutSeconds: 10).output.hasSuffix("99999\n"))
    try fixture.succeed("rm", "followed")
  }

  @Test func muchOutputComesBackByteForByte() throws {
    let result = try fixture.shell(
      """
      set -e
      head -c 30000000 /dev/urandom > "$DIRECTORY/data"
      "$MINIDOCK" run -d --name much --network none -v "$DIRECTORY:/d:ro" --log-opt max-size=100m \
        busybox sh -c 'cat /d/data; cat /d/data >&2' > /dev/null
      "$MINIDOCK" wait much > /dev/null
      "$MINIDOCK" logs much 2> "$DIRECTORY/err" | cmp - "$DIRECTORY/data"
      cmp "$DIRECTORY/err" "$DIRECTORY/data"
      # A file opened for appending takes no sendfile.
      "$MINIDOCK" logs much >> "$DIRECTORY/out" 2> /dev/null
      cmp "$DIRECTORY/out" "$DIRECTORY/data"
      "$MINIDOCK" rm much
      """)
    #expect(result.status == 0, "\(result.output)\(result.errors)")
  }

  @Test func aTerminalsOutputIsLoggedAsItWasSeen() throws {
    try fixture.succeed(
      "run", "-dt", "--network", "none", "--name", "tty", "busybox", "sh", "-c",
      "echo out; echo err >&2; sleep 0.1")
    try fixture.succeed("wait", "tty")
    let result = try fixture.minidock("logs", "tty")
    #expect(result.output == "out\r\nerr\r\n" && result.errors == "")
    try fixture.succeed("rm", "tty")
  }

  @Test func aContainerWithoutALogSaysSo() throws {
    try detached("silent", ["--log-driver", "none"], "echo x")
    try fixture.succeed("wait", "silent")
    #expect(try fixture.refuse(["logs", "silent"], status: 1).contains("it keeps none"))
    for (flag, value) in [
      ("--log-driver", "syslog"), ("--log-opt", "max-size=1"), ("--log-opt", "max-file=0"),
      ("--log-opt", "colour=red"), ("--log-opt", "max-size"),
    ] {
      #expect(
        try fixture.refuse(["run", flag, value, "busybox"], status: 125).contains(flag), "\(value)")
    }
    try fixture.succeed("rm", "silent")
  }

  @Test func aFullDiskUnderTheLogLosesOutputAndSaysSoButHoldsNobodyUp() throws {
    let result = try fixture.shell(
      #"""
      mkdir "$DIRECTORY/small" && mount -t tmpfs -o size=12m none "$DIRECTORY/small" || exit 9
      export MINIDOCK_ROOT="$DIRECTORY/small/root"
      tar -cf - -C "$1" . | "$MINIDOCK" import - busybox > /dev/null || exit 8
      "$MINIDOCK" run -d --network none --name full --log-opt max-size=50m busybox sh -c '
        head -c 20000000 /dev/zero; echo; until [ -e /go ]; do sleep 0.05; done; echo after' || exit 7
      sleep 1
      # It has printed more than there is room for, and goes on.
      rm -f "$DIRECTORY"/small/root/blobs/sha256/*
      "$MINIDOCK" exec full touch /go || exit 6
      "$MINIDOCK" wait full || exit 5
      "$MINIDOCK" logs full > "$DIRECTORY/out" 2> "$DIRECTORY/err"
      tail -n 1 "$DIRECTORY/out"; grep -c 'are missing here' "$DIRECTORY/err"
      "$MINIDOCK" rm full > /dev/null
      umount "$DIRECTORY/small"
      """#, try fixture.makeTree("tree", changes: ""))
    #expect(
      result.status == 0 && result.output.lines.suffix(3) == ["0", "after", "1"],
      "\(result.status) \(result.output) \(result.errors)")
  }

  @Test func aReaderThatStopsHoldsNobodyUp() throws {
    // Three readers of a container that prints without end: none of them reads.
    let result = try fixture.shell(
      #"""
      "$MINIDOCK" run -d --network none --name busy busybox sh -c '
        i=0; while [ $i -lt 60 ]; do head -c 1000000 /dev/zero; i=$((i+1)); done; echo done' > /dev/null
      for reader in "logs -f" "attach --no-stdin" "logs -f"; do
        "$MINIDOCK" $reader busy | { sleep 600; } &
      done
      timeout 30 "$MINIDOCK" wait busy
      "$MINIDOCK" logs -n 1 busy | tail -c 5
      kill $(jobs -p) 2> /dev/null; pkill -P $$ sleep
      "$MINIDOCK" rm -f busy
      """#, timeoutSeconds: 60)
    #expect(result.output.lines == ["0", "done", "busy"], "\(result.output) \(result.errors)")
  }
}
