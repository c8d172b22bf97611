import Glibc
import Linux
import TestSupport
import Testing

/// `minidock diff`, `export` and `commit`.
@Suite(.enabled(if: MinidockFixture.isAvailable, MinidockFixture.requirement))
struct FilesTests {
  let fixture: MinidockFixture

  init() throws { fixture = try MinidockFixture("files") }

  private static let changes = """
    echo n > /new; ln /new /hard; ln -s new /sym; mkfifo /fifo; mkdir -p /made/deep; echo d > /made/deep/d
    chown 12:34 /made/deep/d; chmod 2750 /made; rm /etc/passwd; echo more >> /etc/group; rm -r /var
    mkdir /var; echo v > /var/v; touch -d @1000000000 /made/deep/d
    """

  private static let lines = [
    "C /etc", "C /etc/group", "D /etc/passwd", "A /fifo", "A /hard", "A /made", "A /made/deep",
    "A /made/deep/d", "A /new", "A /sym", "C /var", "A /var/v",
  ]

  private func diff(_ name: String) throws -> [String] {
    try fixture.succeed("diff", name).lines.filter { !$0.hasPrefix("D /var/") }
  }

  @Test func diffListsWhatDockerListsAndNothingElse() throws {
    try fixture.stopped("plain", "true")
    #expect(try fixture.succeed("diff", "plain") == "")
    try fixture.stopped("changed", FilesTests.changes)
    #expect(try diff("changed") == FilesTests.lines)
    let process = try fixture.running(
      "live", FilesTests.changes + "; mkdir /dev/x /tmp/t", ["-v", "\(fixture.directory):/vol"])
    #expect(
      try diff("live") == FilesTests.lines.dropLast(2) + ["C /tmp", "A /tmp/t"]
        + FilesTests.lines.suffix(2) + ["A /vol"])
    try fixture.refuse(["diff", "none"], status: 1)
    try fixture.discard("plain", "changed", "live")
    try process.wait()
    try fixture.expectNoLeaks()
  }

  @Test func exportIsTheRootWithoutWhatIsMounted() throws {
    try Files.makeDirectories(fixture.file("vol/inside"), mode: 0o755)
    let flags = ["-v", "\(fixture.file("vol")):/vol", "--tmpfs", "/mem"]
    try fixture.stopped("rest", FilesTests.changes + "; touch /mem/x", flags)
    let process = try fixture.running("live", FilesTests.changes + "; touch /mem/x", flags)
    for name in ["rest", "live"] {
      let list = try fixture.shell(
        #""$MINIDOCK" export "$1" | tar -tv --numeric-owner --full-time | awk '{ print $1, $2, $3, $6, $7, $8, $9 }'"#,
        name)
      let lines = list.output.lines.map { $0.trimmingCharacters }
      for line in [
        "-rw-r--r-- 0/0 2 hard", "hrw-r--r-- 0/0 0 new link to hard", "lrwxrwxrwx 0/0 0 sym -> new",
        "prw-r--r-- 0/0 0 fifo", "drwxr-s--- 0/0 0 made/", "-rw-r--r-- 12/34 2 made/deep/d",
        "drwxr-xr-x 0/0 0 vol/", "drwxr-xr-x 0/0 0 mem/", "drwxr-xr-x 0/0 0 proc/",
        "drwxr-xr-x 0/0 0 dev/", "-rw-r--r-- 0/0 2 var/v",
      ] { #expect(lines.contains(line), "\(name): \(line)") }
      let mounted = lines.filter { line in
        ["vol/", "mem/", "proc/", "dev/", "sys/", "etc/passwd", "var/run", "var/log"].contains {
          line.contains(" \($0)") && !line.hasSuffix(" \($0)")
        }
      }
      #expect(mounted == [], "\(name)")
      #expect(!lines.contains { $0.contains("etc/passwd") || $0.hasSuffix(" ./") }, "\(name)")
      // The file is the same as the stream, appears at the end, and an image of it runs.
      let same = try fixture.shell(
        #"""
        cd "$DIRECTORY"; "$MINIDOCK" export -o "$1.tar" "$1" && "$MINIDOCK" export "$1" | cmp - "$1.tar" &&
        "$MINIDOCK" import "$1.tar" "$1" > /dev/null && "$MINIDOCK" run --rm --network none "$1" cat /new; ls *.tar*
        """#, name)
      #expect(same.output.hasPrefix("n\n") && !same.output.contains(".tmp"), "\(same)")
    }
    let terminal = try fixture.shell(#"script -qec "'$MINIDOCK' export rest" /dev/null"#)
    #expect(terminal.output.contains("standard output is a terminal"), "\(terminal)")
    try fixture.refuse(["export", "-o", fixture.file("none/x"), "rest"], status: 1)
    try fixture.refuse(["export", "-o", fixture.file("vol"), "rest"], status: 1)
    try fixture.discard("rest", "live")
    try process.wait()
    try fixture.expectNoLeaks()
  }

  @Test func aFailedExportLeavesNoFile() throws {
    try fixture.stopped("big", "head -c 20000000 /dev/urandom > /big")
    let result = try fixture.shell(
      #"""
      mkdir "$DIRECTORY/small" && unshare -m bash -c '
      mount --make-rprivate /; mount -t tmpfs -o size=4m none "$DIRECTORY/small"; cd "$DIRECTORY/small"
      "$MINIDOCK" export -o out.tar big; echo $?; ls -A
      echo before > out.tar; "$MINIDOCK" export -o out.tar big; echo $?; cat out.tar; ls -A'
      """#)
    #expect(result.output == "1\n1\nbefore\nout.tar\n", "\(result)")
    #expect(result.errors.lines.allSatisfy { $0.contains("no space left on device") })
    // Interrupted, it leaves nothing, or the whole when it came too late.
    let interrupted = try fixture.shell(
      #"""
      cd "$DIRECTORY/small"; for i in 1 2 3 4 5; do
        "$MINIDOCK" export -o out.tar big & sleep 0.0$i; kill -9 $! 2>/dev/null; wait $! 2>/dev/null
        [ $? = 137 ] && ls -A | grep -vx out.tar
        [ ! -e out.tar ] || tar -tf out.tar | grep -qx big || echo "out.tar is not whole"
        rm -f out.tar; done; true
      """#)
    #expect(interrupted.output == "", "\(interrupted)")
    try fixture.discard("big")
  }

  @Test func aCommittedImageIsTheContainersTreeAndConfiguration() throws {
    let process = try fixture.running(
      "live", FilesTests.changes, ["-e", "K=v", "-w", "/made", "-l", "a=b"])
    let id = try fixture.succeed(
      "commit", "-m", "a message", "-a", "Ada", "-c", #"CMD ["cat","/new","/var/v"]"#, "-c",
      "LABEL c=d", "-c", "EXPOSE 80", "live", "made:1")
    #expect(id.hasPrefix("sha256:") && id.utf8.count == 71)
    #expect(try fixture.run("made:1").output == "n\nv\n")
    let seen = try fixture.run(
      "made:1", "sh", "-c", "pwd; echo $K; ls /etc/passwd /var; stat -c '%a %u:%g %h' . deep/d /new"
    )
    #expect(seen.output == "/made\nv\n/var:\nv\n2750 0:0 3\n644 12:34 1\n644 0:0 2\n", "\(seen)")
    let config = try fixture.shell(#"cat "$MINIDOCK_ROOT/blobs/sha256/${1#sha256:}""#, id).output
    for part in [
      #""author":"Ada""#, #""comment":"a message""#, #""Labels":{"a":"b","c":"d"}"#,
      #""80/tcp":{}"#,
      #""WorkingDir":"/made""#,
    ] { #expect(config.contains(part), "\(part): \(config)") }
    #expect(!config.contains("HOSTNAME"))
    // It goes on: what it does next is seen.
    #expect(try fixture.succeed("inspect", "-f", "{{.State.Status}}", "live") == "running")
    // A layer on top of a layer, with whiteouts of what the first one added.
    try fixture.stopped("second", "rm /new /var/v; rm -r /made; echo 2 > /new2", image: "made:1")
    try fixture.succeed("commit", "--pause=false", "second", "made:2")
    let third = try fixture.run("made:2", "sh", "-c", "ls -d /new /new2 /made /hard; ls -A /var")
    // The working directory is made again by the start.
    #expect(third.output == "/hard\n/made\n/new2\n", "\(third)")
    // Nothing changed: the same layers, one more line of history.
    try fixture.stopped("same", "true", ["-w", "/"], image: "made:2")
    let empty = try fixture.succeed("commit", "-m", "nothing", "same", "made:3")
    let layers = try fixture.shell(
      #"grep -o 'sha256:[0-9a-f]*' "$MINIDOCK_ROOT/blobs/sha256/${1#sha256:}" | wc -l; grep -c empty_layer "$MINIDOCK_ROOT/blobs/sha256/${1#sha256:}""#,
      empty)
    #expect(layers.output == "3\n1\n", "\(layers)")
    try fixture.refuse(["commit", "-c", "NONSENSE x", "same"], status: 1)
    try fixture.refuse(["commit", "same", "bad name"], status: 1)
    try fixture.discard("live", "second", "same")
    try process.wait()
    try fixture.succeed("rmi", "made:3", "made:2")
    #expect(try fixture.run("made:1").output == "n\nv\n")
    try fixture.succeed("rmi", "made:1")
    try fixture.expectNoLeaks()
    let left = try fixture.shell(#"ls "$MINIDOCK_ROOT/layers" | wc -l; ls "$MINIDOCK_ROOT/ingest""#)
    #expect(left.output == "1\n", "\(left)")
  }

  @Test func attributesAndListsSurviveACommit() throws {
    try fixture.stopped("box", "mkdir /d; touch /d/f /d/caps")
    let set = try fixture.shell(
      #"""
      cd "$MINIDOCK_ROOT"/containers/*/upper/d && setfattr -n user.k -v v f && setcap cap_net_raw+ep caps &&
      setfacl -m u:77:rw f && setfacl -d -m g:55:rx . && "$MINIDOCK" commit box att > /dev/null &&
      cd "$MINIDOCK_ROOT"/layers/*/diff/d && getfattr --only-values -n user.k f && echo && getcap caps &&
      getfacl -nc f . | grep -E '77|55' && getfattr -d -m 'trusted' .
      """#)
    #expect(set.output == "v\ncaps cap_net_raw=ep\nuser:77:rw-\ndefault:group:55:r-x\n", "\(set)")
    try fixture.discard("box")
  }

  @Test func aCommitOnAFullDiskLeavesNothing() throws {
    let result = try fixture.shell(
      #"""
      mkdir "$MINIDOCK_ROOT" && exec unshare -m bash -c '
      mount --make-rprivate /; mount -t tmpfs -o size=14m,mode=700 none "$MINIDOCK_ROOT"
      "$MINIDOCK" run --name box --network none busybox sh -c "head -c 5000000 /dev/urandom > /big" 2>/dev/null
      find "$MINIDOCK_ROOT" -type f ! -name "*lock" | sort > "$DIRECTORY/before"
      "$MINIDOCK" commit box img; echo "status $?"; "$MINIDOCK" images -q | wc -l
      find "$MINIDOCK_ROOT" -type f ! -name "*lock" | sort | diff "$DIRECTORY/before" - && echo nothing left'
      """#)
    #expect(result.output == "status 1\n1\nnothing left\n", "\(result)")
    #expect(result.errors.lines.count == 1 && result.errors.contains("no space left on device"))
  }

  @Test func commitKilledAtAnyMomentLeavesTheStoreWhole() throws {
    try fixture.stopped(
      "box",
      "head -c 3000000 /dev/urandom > /big; for i in 1 2 3 4 5 6 7 8; do cp -r /etc /e$i; done")
    let result = try fixture.shell(
      #"""
      killed=0
      for round in $(seq 60); do
        "$MINIDOCK" commit -m $((round % 4)) box victim > /dev/null 2>&1 & pid=$!
        sleep 0.$(printf %04d $((RANDOM % 400))); kill -9 $pid 2> /dev/null
        wait $pid 2> /dev/null; [ $? = 137 ] && killed=$((killed + 1))
      done
      echo $killed
      """#, timeoutSeconds: 200)
    #expect((Int(result.output.trimmingLineFeeds) ?? 0) > 3, "\(result)")
    try fixture.succeed("commit", "box", "victim")
    #expect(try fixture.run("victim", "sh", "-c", "wc -c < /big").output == "3000000\n")
    let whole = try fixture.shell(
      #"""
      cd "$MINIDOCK_ROOT/blobs/sha256" && for blob in *; do
        [ "$(sha256sum < $blob)" = "$blob  -" ] || echo "$blob is damaged"
      done
      """#)
    #expect(whole.output == "" && whole.status == 0, "\(whole.output)")
    try fixture.discard("box")
    try fixture.expectNoLeaks(sweeping: true)
    let images = try fixture.succeed("images", "-aq", "--no-trunc").lines
    #expect(try fixture.minidock(["rmi", "-f"] + images).status == 0)
    let left = try fixture.shell(
      #"cd "$MINIDOCK_ROOT"; find blobs layers ingest trash -mindepth 2 2>/dev/null | head"#)
    #expect(left.output == "", "\(left.output)")
  }

  @Test func aContainerGoesOnHoweverACommitOrCopyEnds() throws {
    let count = fixture.file("vol/count")
    try Files.makeDirectories(fixture.file("vol"), mode: 0o755)
    let process = try fixture.start(
      "run", "--name", "live", "--network", "none", "-v", "\(fixture.file("vol")):/vol", "busybox",
      "sh", "-c",
      "head -c 30000000 /dev/zero > /big; echo ready; while :; do echo x >> /vol/count; usleep 5000; done"
    )
    try #require(try process.wait(untilOutput: { $0.contains("ready") }), "\(process.errors)")
    for (index, signal) in [SIGKILL, SIGTERM, SIGINT, SIGKILL, SIGHUP, SIGKILL].enumerated() {
      for words in [["commit", "live", "img"], ["cp", "live:/big", fixture.file("big")]] {
        let command = try BackgroundProcess(
          [MinidockFixture.binary] + words, environment: fixture.environment)
        usleep(UInt32(3000 + index * 9000))
        command.signal(signal)
        try command.wait()
        let before = try Files.size(count)
        var grown = false
        for _ in 0..<400 where !grown {
          usleep(5000)
          grown = try Files.size(count) > before
        }
        #expect(grown, "\(words[0]) and signal \(signal)")
      }
    }
    // While it is copied it stands still.
    let frozen = try fixture.shell(
      #"""
      mkfifo "$DIRECTORY/pipe"; "$MINIDOCK" commit live img > /dev/null & pid=$!
      for i in $(seq 200); do cat /sys/fs/cgroup/unified/minidock-*/*/cgroup.events /sys/fs/cgroup/minidock-*/*/cgroup.events 2>/dev/null |
        grep -q 'frozen 1' && { echo frozen; break; }; done; wait $pid; echo $?
      """#)
    #expect(frozen.output == "frozen\n0\n", "\(frozen)")
    try fixture.discard("live")
    try process.wait()
    try fixture.expectNoLeaks(sweeping: true)
  }
}

extension String {
  /// Without blanks at its ends.
  fileprivate var trimmingCharacters: String {
    String(self.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
  }
}
