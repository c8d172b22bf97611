import Glibc
import Linux
import TestSupport
import Testing

// What hostile files of a container could make cp, export and commit do to the host.
extension SecurityRows {
  /// A volume whose `dir` is exchanged with a link to the sentinel's folder, for a container at /vol.
  private func flippedVolume() throws -> (path: String, flipper: BackgroundProcess) {
    let volume = fixture.file("volume")
    let made = try fixture.shell(
      #"""
      mkdir -p "$1/dir/inside" && echo volume > "$1/dir/file" && echo volume > "$1/dir/inside/x"
      mkdir -p "$1/deep/dir" && echo volume > "$1/deep/dir/file" && ln -s "$2" "$1/link" && mkdir "$DIRECTORY/out"
      """#, volume, fixture.sentinel)
    try #require(made.status == 0, "\(made.errors)")
    return (volume, try flip(volume + "/dir", volume + "/link"))
  }

  @Test func sec16_CVE_2018_15664_cpNeverLeavesTheContainersRoot() throws {
    let before = try fixture.sentinelHash()
    let (volume, flipper) = try flippedVolume()
    // Running and stopped: the link's target exists in the container too, so that following it is not
    // an error there.
    let process = try fixture.start(
      "run", "--name", "live", "--network", "none", "-v", "\(volume):/vol", "busybox", "sh", "-c",
      "mkdir -p '\(fixture.sentinel)'; echo own > '\(fixture.sentinel)/file'; echo ready; exec sleep 1000"
    )
    try #require(try process.wait(untilOutput: { $0.contains("ready") }), "\(process.errors)")
    let stopped = try fixture.minidock(
      "run", "--name", "rest", "--network", "none", "-v", "\(volume):/vol", "busybox", "true")
    try #require(stopped.status == 0, "\(stopped.errors)")
    let counts = try tally(
      max(20, SecurityRows.rounds / 5),
      #"""
      echo planted > "$DIRECTORY/planted"
      for name in live rest; do
        for path in dir/file dir dir/. dir/inside/x .; do
          "$MINIDOCK" cp $name:/vol/$path "$DIRECTORY/out/$name-$ROUND" && echo copied
          grep -rsh sentinel "$DIRECTORY/out"; rm -rf "$DIRECTORY/out/$name-$ROUND"
        done
        "$MINIDOCK" cp $name:/vol - 2>/dev/null | tar -xO 2>/dev/null | grep -a sentinel
        "$MINIDOCK" cp "$DIRECTORY/planted" $name:/vol/dir/planted && echo put
        "$MINIDOCK" cp "$DIRECTORY/planted" $name:/vol/dir && echo put
        (cd "$DIRECTORY"; tar -c planted --transform 's,^,dir/folder/,') | "$MINIDOCK" cp - $name:/vol && echo put
      done
      """#)
    #expect((counts["copied"] ?? 0) > 40 && (counts["put"] ?? 0) > 20, "\(counts)")
    #expect(Set(counts.keys) == ["copied", "put"], "\(counts)")
    #expect(try fixture.sentinelHash() == before)

    // Out into a directory that a container can write: there too nothing goes through the link.
    let out = try tally(
      max(20, SecurityRows.rounds / 5),
      #"""
      mkdir -p "$DIRECTORY/tree/dir/folder"; echo x > "$DIRECTORY/tree/dir/folder/y"; echo x > "$DIRECTORY/tree/dir/y"
      "$MINIDOCK" cp "$DIRECTORY/tree" rest:/tree-$ROUND && echo in
      "$MINIDOCK" cp rest:/tree-$ROUND/. "$DIRECTORY/volume" && echo out
      """#)
    #expect((out["in"] ?? 0) > 10, "\(out)")
    #expect(try fixture.sentinelHash() == before)

    // Control: looked at and then used by its path, the directory leads to the host's within a few tries.
    let naive = try fixture.shell(
      #"""
      for i in $(seq 20000); do
        if [ ! -L "$1/dir" ] && [ -d "$1/dir" ]; then read -r text < "$1/dir/file"; fi 2>/dev/null
        case "$text" in sentinel*) echo read; break;; esac; done
      mkdir "$DIRECTORY/control"; echo sentinel > "$DIRECTORY/control/file"
      """#, volume)
    #expect(naive.output == "read\n", "\(naive)")
    flipper.signal(SIGKILL)
    try fixture.minidock("rm", "-f", "live", "rest")
    try process.wait()
    try expectNothingLeft()
  }

  @Test func sec16_CVE_2019_10152_cpWaitsForNoFifoAndOpensNoDevice() throws {
    let process = try fixture.start(
      "run", "--name", "live", "--network", "none", "busybox", "sh", "-c",
      "mkdir /d; mkfifo /d/fifo; mknod /d/null c 1 3; echo f > /d/file; echo ready; exec sleep 1000"
    )
    try #require(try process.wait(untilOutput: { $0.contains("ready") }), "\(process.errors)")
    for command in [
      ["cp", "live:/d", fixture.file("d")], ["cp", "live:/d/fifo", fixture.file("fifo")],
      ["export", "-o", fixture.file("e.tar"), "live"], ["commit", "live", "img"],
    ] {
      let result = try fixture.minidock(command, timeoutSeconds: 20)
      #expect(result.status == 0, "\(command) \(result)")
    }
    #expect(try FileStatus(fixture.file("d/fifo")).kind == .fifo)
    #expect(try FileStatus(fixture.file("fifo")).kind == .fifo)
    #expect(try FileStatus(fixture.file("d/null")).kind == .characterDevice)
    // Control: read by its path, the fifo holds its reader up.
    let naive = try TestSupport.run(["timeout", "1", "cat", fixture.file("d/fifo")])
    #expect(naive.status == 124)
    try fixture.minidock("rm", "-f", "live")
    try process.wait()
    try expectNothingLeft()
  }

  @Test func sec17_CVE_2019_14271_nothingOfTheImageIsExecuted() throws {
    let before = try fixture.sentinelHash()
    let source = """
      #include <fcntl.h>
      __attribute__((constructor)) static void run(void) { open("/marker", O_CREAT | O_WRONLY, 0600); }
      """
    try fixture.write("hook.c", source)
    let compiled = try fixture.shell(
      #"cc -shared -fPIC -o "$DIRECTORY/hook.so" "$DIRECTORY/hook.c""#)
    try #require(compiled.status == 0, "\(compiled.errors)")
    let programs = "tar gzip gunzip zstd xz unxz bzip2 unpigz pigz nsenter sh docker-untar"
    try fixture.importImage(
      "evil",
      changes: """
        mkdir -p usr/bin lib64 lib/x86_64-linux-gnu usr/lib
        for n in nss_files nss_compat nss_dns c z lzma zstd archive; do
          cp "$DIRECTORY/hook.so" lib/lib$n.so.2; cp "$DIRECTORY/hook.so" lib/x86_64-linux-gnu/lib$n.so.2
          cp "$DIRECTORY/hook.so" usr/lib/lib$n.so.6; done
        cp bin/busybox bin/busybox-real
        for p in \(programs); do rm -f bin/$p usr/bin/$p
          printf '#!/bin/busybox-real sh\\n: > /marker\\n: > %s/marker\\n' "$SENTINEL" > usr/bin/$p
          chmod 755 usr/bin/$p; ln usr/bin/$p bin/$p; done
        echo 'passwd: files compat dns' > etc/nsswitch.conf; printf '/lib/libnss_files.so.2\\n' > etc/ld.so.preload
        """)
    let run = try fixture.minidock(
      "run", "--name", "box", "--network", "none", "evil", "/bin/busybox-real", "true")
    try #require(run.status == 0, "\(run)")
    let process = try fixture.start(
      "run", "--name", "live", "--network", "none", "evil", "/bin/busybox-real", "sleep", "1000")
    let result = try fixture.shell(
      #"""
      for i in $(seq 100); do "$MINIDOCK" ps -q | grep -q . && break; sleep 0.05; done
      mkdir "$DIRECTORY/t"; echo x > "$DIRECTORY/t/x"
      for name in box live; do
        for c in cat gzip zstd xz bzip2; do tar -C "$DIRECTORY" -c t | $c | "$MINIDOCK" cp -a - $name:/ || echo failed; done
        "$MINIDOCK" cp -a "$DIRECTORY/t" $name:/ && "$MINIDOCK" cp -a $name:/etc "$DIRECTORY/etc-$name" &&
        "$MINIDOCK" export $name > "$DIRECTORY/$name.tar" && "$MINIDOCK" diff $name > /dev/null &&
        "$MINIDOCK" commit $name img-$name > /dev/null || echo failed
        tar -tf "$DIRECTORY/$name.tar" | grep -x marker
      done; true
      """#)
    #expect(result.output == "" && result.status == 0, "\(result)")
    #expect(try fixture.sentinelHash() == before)
    // Control: an engine that runs the root's own tar, as docker cp loaded its libraries, is caught.
    let tree = try fixture.shell(
      #"""
      mkdir "$DIRECTORY/tree" && tar -xf "$DIRECTORY/box.tar" -C "$DIRECTORY/tree" &&
      chroot "$DIRECTORY/tree" /usr/bin/tar -c . > /dev/null 2>&1; ls "$DIRECTORY/tree/marker" | wc -l
      """#)
    #expect(tree.output == "1\n", "\(tree)")
    try fixture.minidock("rm", "-f", "box", "live")
    try process.wait()
    try expectNothingLeft()
  }

  @Test func sec18_CVE_2023_0778_exportAndCommitFollowNoLinkAndNoVolume() throws {
    let before = try fixture.sentinelHash()
    let volume = fixture.file("volume")
    try Files.makeDirectories(volume, mode: 0o755)
    try #require(symlink(fixture.sentinel + "/file", volume + "/key") == 0)
    let script = """
      s='\(fixture.sentinel)'; ln -s $s/file /plain; ln -s $s /whole; mkdir /d; ln -s ../../../../../..$s/file /d/up
      ln -s /proc/1/root$s/file /magic; rm -rf /etc; ln -s $s/folder /etc; rm -rf /vol/x; ln -s $s /vol/x; true
      """
    let run = try fixture.minidock(
      "run", "--name", "box", "--network", "none", "-v", "\(volume):/vol", "busybox", "sh", "-c",
      script)
    // /etc holds mounts while it runs, so that it stays; the links are what counts.
    #expect(run.status == 0, "\(run)")
    let result = try fixture.shell(
      #"""
      "$MINIDOCK" export box > "$DIRECTORY/box.tar" && tar -xOf "$DIRECTORY/box.tar" | grep -ac sentinel
      tar -tf "$DIRECTORY/box.tar" | grep -E '^(vol/.|whole/)'
      id=$("$MINIDOCK" commit box img) && grep -lra '^sentinel' "$MINIDOCK_ROOT/layers" "$MINIDOCK_ROOT/blobs"
      "$MINIDOCK" cp box:/ "$DIRECTORY/all" && grep -rsl '^sentinel' "$DIRECTORY/all" | grep -v "$DIRECTORY/sentinel"
      find "$MINIDOCK_ROOT/layers" -name key; true
      """#)
    #expect(result.output == "0\n", "\(result)")
    #expect(try fixture.sentinelHash() == before)
    // Control: an archiver that follows links takes the host's file along.
    let naive = try fixture.shell(
      #"cd "$MINIDOCK_ROOT"/containers/*/upper && tar -chf - plain | tar -xO"#)
    #expect(naive.output == "sentinel file\n", "\(naive)")
    try fixture.minidock("rm", "-f", "box")
    try expectNothingLeft()
  }

  @Test func sec29_CVE_2026_53488_labelsOfACommittedImageDriveNothing() throws {
    let before = try fixture.sentinelHash()
    let labels = [
      "minidock.log=\(fixture.sentinel)/file", "minidock.flag=privileged", "flag=privileged",
      "io.minidock.root=/", "minidock.bind=\(fixture.sentinel):/mnt", "minidock.name=other",
      "minidock.id=0", "minidock.hook=/bin/touch \(fixture.sentinel)/marker", "cgroup=/",
    ]
    let box = try fixture.minidock("run", "--name", "box", "--network", "none", "busybox", "true")
    try #require(box.status == 0, "\(box)")
    // One with a line feed, which must not become a line of minidock's own record.
    let hostile = labels + ["trap=x\nflag=privileged\nbind=\(fixture.sentinel):/mnt"]
    let changes = hostile.flatMap { label -> [String] in
      let parts = label.split(separator: "=", maxSplits: 1).map(String.init)
      return ["-c", "LABEL \(parts[0])=\"\(parts[1])\""]
    }
    let commit = try fixture.minidock(["commit"] + changes + ["box", "evil"])
    try #require(commit.status == 0, "\(commit)")
    let run = try fixture.minidock(
      "run", "--name", "labelled", "--network", "none", "evil", "sh", "-c",
      "grep CapEff /proc/self/status; ls -A /mnt")
    #expect(run.output == "CapEff:\t00000000a80425fb\n" && run.status == 0, "\(run)")
    let format = "{{.Name}} {{.HostConfig.Privileged}} {{.HostConfig.Binds}}"
    let seen = try fixture.minidock("inspect", "-f", format, "labelled")
    #expect(seen.output.hasPrefix("/labelled false "), "\(seen)")
    #expect(!seen.output.contains("sentinel"), "\(seen)")
    #expect(try fixture.sentinelHash() == before)
    // Control: the same words as lines of the record itself do drive it.
    let control = try fixture.shell(
      #"""
      id=$("$MINIDOCK" inspect -f '{{.Id}}' labelled); echo flag=privileged >> "$MINIDOCK_ROOT/containers/$id/record"
      "$MINIDOCK" inspect -f '{{.HostConfig.Privileged}}' labelled
      """#)
    #expect(control.output == "true\n", "\(control)")
    try fixture.minidock("rm", "-f", "box", "labelled")
    try expectNothingLeft()
  }
}
