import Linux
import Testing

@testable import Runtime

@Suite struct SpecTests {
  /// As the specification's own example has it, with what this version does not know beside it.
  private static let document = """
    {
      "ociVersion": "1.2.0",
      "root": {"path": "rootfs", "readonly": true},
      "hostname": "slartibartfast",
      "mounts": [
        {"destination": "/proc", "type": "proc", "source": "proc"},
        {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
         "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]}
      ],
      "process": {
        "terminal": true,
        "consoleSize": {"height": 24, "width": 80},
        "user": {"uid": 1, "gid": 1, "umask": 63, "additionalGids": [5, 6]},
        "args": ["sh"], "env": ["PATH=/bin", "TERM=xterm"], "cwd": "/",
        "capabilities": {
          "bounding": ["CAP_AUDIT_WRITE"], "permitted": ["CAP_KILL"], "inheritable": [],
          "effective": ["CAP_KILL"], "ambient": ["CAP_NET_BIND_SERVICE"]
        },
        "rlimits": [{"type": "RLIMIT_CORE", "hard": 1024, "soft": 18446744073709551615}],
        "apparmorProfile": "acme_secure_profile", "noNewPrivileges": true, "oomScoreAdj": 100
      },
      "annotations": {"com.example.key1": "value1"},
      "hooks": {"prestart": []},
      "linux": {
        "devices": [
          {"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229, "fileMode": 438,
           "uid": 0, "gid": 0}
        ],
        "sysctl": {"net.ipv4.ip_forward": "1"},
        "cgroupsPath": "/myRuntime/myContainer",
        "resources": {
          "network": {"classID": 1048577, "priorities": [{"name": "eth0", "priority": 500}]},
          "pids": {"limit": 32771},
          "memory": {"limit": 536870912, "reservation": 536870912, "swap": 536870912,
                     "swappiness": 0, "disableOOMKiller": false},
          "cpu": {"shares": 1024, "quota": 1000000, "period": 500000, "cpus": "2-3", "mems": "0-7"},
          "devices": [{"allow": false, "access": "rwm"},
                      {"allow": true, "type": "c", "major": 10, "minor": 229, "access": "rw"}],
          "blockIO": {"weight": 10, "leafWeight": 10,
                      "weightDevice": [{"major": 8, "minor": 0, "weight": 500, "leafWeight": 300}],
                      "throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 600}]}
        },
        "rootfsPropagation": "slave",
        "namespaces": [{"type": "pid"}, {"type": "network", "path": "/var/run/netns/neta"}],
        "maskedPaths": ["/proc/kcore"], "readonlyPaths": ["/proc/bus"]
      }
    }
    """

  private func decode(_ text: String) throws -> Spec {
    try Spec(json: try JSONValue(parsing: Array(text.utf8)))
  }

  @Test func `the specification's own document is read`() throws {
    let spec = try decode(SpecTests.document)
    #expect(spec.root == Spec.Root(path: "rootfs", readonly: true))
    #expect(spec.hostname == "slartibartfast")
    #expect(spec.mounts?.count == 2)
    #expect(spec.process?.consoleSize == Spec.ConsoleSize(height: 24, width: 80))
    #expect(spec.process?.user.additionalGids == [5, 6])
    #expect(spec.process?.rlimits == [Spec.Rlimit(type: "RLIMIT_CORE", hard: 1024, soft: .max)])
    #expect(spec.process?.capabilities?.ambient == ["CAP_NET_BIND_SERVICE"])
    #expect(spec.linux?.devices?.first?.fileMode == 0o666)
    #expect(spec.linux?.resources?.memory?.limit == 512 << 20)
    #expect(spec.linux?.resources?.cpu?.cpus == "2-3")
    #expect(spec.linux?.resources?.pids?.limit == 32771)
    #expect(spec.linux?.resources?.devices?.count == 2)
    #expect(spec.linux?.resources?.blockIO?.weight == 10)
    #expect(spec.linux?.namespaces?.last?.path == "/var/run/netns/neta")
    #expect(spec.linux?.maskedPaths == ["/proc/kcore"])
  }

  @Test(arguments: [
    "", "[]", "{}", "null", #"{"ociVersion": 1}"#, #"{"ociVersion": "1", "mounts": {}}"#,
    #"{"ociVersion": "1", "process": {"cwd": "/", "user": {"uid": -1, "gid": 0}}}"#,
    #"{"ociVersion": "1", "process": {"cwd": "/", "user": {"uid": 4294967296, "gid": 0}}}"#,
    #"{"ociVersion": "1", "linux": {"namespaces": [{"path": "/x"}]}}"#,
  ])
  func `a document of another shape is an error`(text: String) {
    #expect(throws: (any Error).self) { try decode(text) }
  }

  @Test func `a document with nothing but its version is enough`() throws {
    #expect(try decode(#"{"ociVersion": "1.0.2"}"#).process == nil)
  }

  @Test func `resource limits have the kernel's numbers`() {
    #expect(ResourceLimit.number("RLIMIT_CPU") == 0)
    #expect(ResourceLimit.number("nofile") == 7)
    #expect(ResourceLimit.number("RLIMIT_NOFILE") == 7)
    #expect(ResourceLimit.number("rttime") == 15)
    #expect(ResourceLimit.number("NPROC") == 6)
    for name in ["", "RLIMIT_", "RLIMIT_RLIMIT_CPU", "files", "7"] {
      #expect(ResourceLimit.number(name) == nil, "\(name)")
    }
  }
}
