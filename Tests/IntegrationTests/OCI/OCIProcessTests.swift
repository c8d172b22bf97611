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
