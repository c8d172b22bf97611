import Linux
import TestSupport
import Testing

// Programs and libraries of an image that would run with the host's rights.
extension SecurityRows {
  @Test func sec17_CVE_2019_14271_topRunsAndReadsNothingOfTheImage() throws {
    // The image's ps, its loader and its name service leave a mark when they run, and its users' names
    // would show that its passwd was read.
    let tree = try fixture.makeTree(
      "tree",
      changes: """
        mkdir -p tools lib lib64 usr/lib etc
        for name in bin/ps usr/bin/ps bin/nsenter sbin/nsenter usr/bin/top; do
          mkdir -p "${name%/*}"
          rm -f "$name"
          printf '#!/bin/sh\\necho ran >> /tmp/marker\\n' > "$name"
          chmod 755 "$name"
        done
        for name in lib/libnss_files.so.2 lib64/libnss_files.so.2 usr/lib/libnss_compat.so.2; do
          mkdir -p "${name%/*}"; echo hostile > "$name"; chmod 755 "$name"
        done
        mkdir -p tmp; chmod 1777 tmp
        echo 'passwd: files hostile' > etc/nsswitch.conf
        echo 'hostile:x:4242:4242::/:/bin/sh' >> etc/passwd
        """)
    try fixture.importTree(tree, as: "hostile")
    try fixture.succeed(
      "run", "-d", "--network", "none", "--name", "watched", "-u", "4242", "hostile", "sleep",
      "1000")
    for options in [[], ["aux"], ["-ef"], ["-o", "user,group,pid,args"]] {
      let result = try fixture.minidock(["top", "watched"] + options)
      #expect(result.status == 0 && result.output.contains("sleep"), "\(options): \(result)")
      #expect(result.output.contains("4242"), "\(options): \(result)")
      #expect(!result.output.contains("hostile"), "\(options): \(result)")
    }
    let marker = try fixture.minidock("exec", "watched", "ls", "/tmp")
    #expect(marker.status == 0 && marker.output == "", "\(marker)")
    try fixture.succeed("rm", "-f", "watched")

    // Control: an engine that looks with the image's own ps runs what the image brings.
    let control = try naive([tree, "/bin/ps"])
    #expect(Files.text(tree + "/tmp/marker") == "ran", "\(control)")
    try expectNothingLeft()
  }

  @Test func sec17_CVE_2019_14271_whatAProcessCallsItselfDrivesNoTerminal() throws {
    try fixture.succeed(
      "run", "-d", "--network", "none", "--name", "named", "busybox", "sh", "-c",
      "exec sh -c 'sleep 1000; :' \"$(printf '\\033[31mred\\nline')\"")
    var result = try fixture.minidock("top", "named")
    for _ in 0..<100 where !result.output.contains("red") {
      result = try fixture.minidock("top", "named")
    }
    #expect(!result.output.contains("\u{1b}"), "\(result)")
    #expect(result.output.contains("\\x1b[31mred\\nline"), "\(result)")
    #expect(result.output.split(separator: "\n").count == 3, "\(result)")
    // Control: the kernel gives the bytes as they are.
    let pid = try fixture.succeed("inspect", "-f", "{{.State.Pid}}", "named")
    let line = (try Files.read("/proc/\(pid)/cmdline")) ?? []
    #expect(line.contains(0x1b))
    try fixture.succeed("rm", "-f", "named")
    try expectNothingLeft()
  }
}
