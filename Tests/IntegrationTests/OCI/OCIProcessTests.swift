import Glibc
import Linux
import TestSupport
import Testing

/// What the specification's `process` asks for.
@Suite(.enabled(if: MinidockFixture.isAvailable, MinidockFixture.requirement))
struct OCIProcessTests {
  let fixture: OCIFixture

  init() throws { fixture = try OCIFixture("process") }

  @Test func `limits, score, directory and environment`() throws {
    let script = "ulimit -n; ulimit -Hn; ulimit -c; cat /proc/self/oom_score_adj; pwd; echo $A"
    try fixture.expect(script, prints: "50\n100\n0\n77\n/tmp\nvalue\n") { config in
      try config.set(
        "process.rlimits",
        #"[{"type":"RLIMIT_NOFILE","hard":100,"soft":50},{"type":"RLIMIT_CORE","hard":0,"soft":0}]"#
      )
      try config.set("process.oomScoreAdj", "77")
      try config.set("process.cwd", #""/tmp""#)
      try config.append("process.env", #""A=value""#)
    }
  }

  @Test func `what the kernel refuses is named by its field`() throws {
    try fixture.expectRefused("use process.rlimits[1]: set limit RLIMIT_NOFILE: ") {
      try $0.set(
        "process.rlimits",
        #"""
        [{"type":"RLIMIT_CORE","hard":0,"soft":0},
        {"type":"RLIMIT_NOFILE","hard":99999999999,"soft":10}]
        """#)
    }
    for (value, place) in [
      (#"[{"type":"RLIMIT_CORE","hard":1,"soft":2}]"#, "rlimits[0]"),
      (#"[{"type":"RLIMIT_FLY","hard":2,"soft":2}]"#, "rlimits[0].type"),
      (
        #"[{"type":"RLIMIT_CORE","hard":1,"soft":1},{"type":"RLIMIT_CORE","hard":1,"soft":1}]"#,
        "rlimits[1].type"
      ),
    ] {
      try fixture.expectRefused("use process." + place) { try $0.set("process.rlimits", value) }
    }
    try fixture.expectRefused("use process.cwd: /bin/sh: not a directory") {
      try $0.set("process.cwd", #""/bin/sh""#)
    }
  }

  @Test func `every limit reaches the process`() throws {
    // Below what hosts give a runtime that may not raise hard limits.
    let large = 100_000_000
    let limits = [
      ("CPU", large, "Max cpu time"), ("FSIZE", large, "Max file size"),
      ("DATA", large, "Max data size"), ("STACK", large, "Max stack size"),
      ("CORE", large, "Max core file size"), ("RSS", large, "Max resident set"),
      ("NPROC", 1000, "Max processes"), ("NOFILE", 1000, "Max open files"),
      ("MEMLOCK", 60000, "Max locked memory"), ("AS", large, "Max address space"),
      ("LOCKS", large, "Max file locks"), ("SIGPENDING", 1000, "Max pending signals"),
      ("MSGQUEUE", 8000, "Max msgqueue size"), ("NICE", 0, "Max nice priority"),
      ("RTPRIO", 0, "Max realtime priority"), ("RTTIME", large, "Max realtime timeout"),
    ]
    let result = try fixture.run("cat /proc/self/limits") {
      for (name, hard, _) in limits {
        try $0.append(
          "process.rlimits",
          #"{"type":"RLIMIT_\#(name)","hard":\#(hard),"soft":\#(max(0, hard - 1))}"#)
      }
    }
    for (name, hard, title) in limits {
      let line = result.output.split(separator: "\n").first { $0.hasPrefix(title + " ") } ?? ""
      let words = line.split(separator: " ").compactMap { Int($0) }
      #expect(words == [max(0, hard - 1), hard], "\(name): \(result)")
    }
  }

  @Test func `umask and groups`() throws {
    let script = "umask; touch /tmp/file; stat -c %a /tmp/file; id -G"
    try fixture.expect(script, prints: "0027\n640\n3 5 7\n") {
      try $0.append("mounts", #"{"destination":"/tmp","type":"tmpfs","source":"t"}"#)
      try $0.set("process.user", #"{"uid":2,"gid":3,"additionalGids":[5,7],"umask":23}"#)
    }
    try fixture.expect("umask", prints: "0022\n")
    try fixture.expectRefused("use process.user.umask") {
      try $0.set("process.user.umask", "512")
    }
  }

  @Test func `scheduler, priority of input and output, and processors`() throws {
    // Fields 19 and 41 of stat(5): niceness and policy (SCHED_BATCH is 3).
    try fixture.expect("cut -d' ' -f 19,41 /proc/1/stat; ionice -p 1", prints: "5 3\nidle\n") {
      try $0.set("process.scheduler", #"{"policy":"SCHED_BATCH","nice":5}"#)
      try $0.set("process.ioPriority", #"{"class":"IOPRIO_CLASS_IDLE","priority":0}"#)
    }
    let id = try fixture.running("affinity") {
      try $0.set("process.execCPUAffinity", #"{"initial":"0","final":"0"}"#)
    }
    let inside = try fixture.oci("exec", id, "grep", "Cpus_allowed_list", "/proc/self/status")
    #expect(inside.output == "Cpus_allowed_list:\t0\n", "\(inside)")
    for (field, value) in [
      ("scheduler", #"{"policy":"SCHED_NICE"}"#),
      ("scheduler", #"{"policy":"SCHED_OTHER","priority":3}"#),
      ("scheduler", #"{"policy":"SCHED_OTHER","flags":["SCHED_FLAG_FLY"]}"#),
      ("ioPriority", #"{"class":"IOPRIO_CLASS_RT","priority":8}"#),
      ("execCPUAffinity", #"{"final":"3-1"}"#),
    ] {
      try fixture.expectRefused("process." + field) { try $0.set("process." + field, value) }
    }
  }

  @Test func `labels are applied where the host has them, and refused where not`() throws {
    if Files.text("/sys/module/apparmor/parameters/enabled") == "Y" {
      try fixture.expect("cat /proc/self/attr/current", prints: "unconfined\n") {
        try $0.set("process.apparmorProfile", #""unconfined""#)
      }
    } else {
      try fixture.expectRefused("process.apparmorProfile: AppArmor is not enabled on this host") {
        try $0.set("process.apparmorProfile", #""unconfined""#)
      }
    }
    guard !Files.exists("/sys/fs/selinux/enforce") else { return }
    for field in ["process.selinuxLabel", "linux.mountLabel"] {
      try fixture.expectRefused(field + ": SELinux is not enabled on this host") {
        try $0.set(field, #""system_u:system_r:container_t:s0""#)
      }
    }
  }

  @Test func `a domain of execution`() throws {
    try fixture.expect("uname -m", prints: "i686\n") {
      try $0.set("linux.personality", #"{"domain":"LINUX32"}"#)
    }
    try fixture.expectRefused("linux.personality.domain") {
      try $0.set("linux.personality", #"{"domain":"BSD"}"#)
    }
  }
}
