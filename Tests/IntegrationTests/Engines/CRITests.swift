import Glibc
import TestSupport
import Testing

// Debian's own Python: another one in PATH has not got Debian's modules.
private let canCallCRI =
  (try? run(["/usr/bin/python3", "-c", "import grpc"]))?.status == 0

extension UnderEngines {
  /// Under containerd's CRI plugin, with the calls that a kubelet makes for a pod of RuntimeClass minidock.
  ///
  /// Debian has no crictl: the calls go through gRPC for Python, their messages put together by hand.
  @Suite(
    .enabled(if: ContainerdHost.isInstalled, ContainerdHost.requirement),
    .enabled(if: canCallCRI, "needs python3 with grpc (Debian: python3-grpcio)"),
    .enabled(
      if: access("/usr/lib/cni/bridge", X_OK) == 0,
      "needs network plugins (Debian: containernetworking-plugins)"))
  struct CRI {
    @Test func aPodOfTwoContainersLivesAsUnderAKubelet() throws {
      let host = try ContainerdHost("cri", namespace: "k8s.io")
      let result = try host.node.run(
        [
          "/usr/bin/python3", "-c", CRI.script, "/run/containerd/containerd.sock",
          ContainerdHost.image,
        ])
      let seen = result.output.split(separator: "\n").map(String.init)
      #expect(result.status == 0, "\(result.errors)\n\(host.log)")
      #expect(
        seen == [
          "ready",
          // The exit status and output of commands in the two containers.
          "0 uid=0(root) gid=0(root) groups=0(root),10(wheel)",
          "0 Seccomp: 2",
          "0 inet 10.231.99.",
          "9 ",
          "0 hello",
          "0 67108864", "0 33554432",
          "uses memory",
          "running", "exited 7", "replaced",
        ], "\(result.errors)")
      try host.expectNoLeaks()
    }

    /// The kubelet's part. Messages are {field number: value}, by the API's api.proto (runtime.v1).
    static let script = #"""
      import grpc, sys, time

      def number(n):
          out = b""
          while True:
              out += bytes([n & 127 | (128 if n > 127 else 0)])
              n >>= 7
              if not n: return out

      def encode(fields):
          out = b""
          for field, value in fields.items():
              for one in value if isinstance(value, list) else [value]:
                  if isinstance(one, int):
                      out += number(field << 3) + number(one)
                  else:
                      data = encode(one) if isinstance(one, dict) else one.encode()
                      out += number(field << 3 | 2) + number(len(data)) + data
          return out

      def decode(data):
          fields, at = {}, 0
          def take():
              nonlocal at
              n = shift = 0
              while True:
                  byte = data[at]; at += 1
                  n |= (byte & 127) << shift; shift += 7
                  if byte < 128: return n
          while at < len(data):
              key = take()
              value = take()
              if key & 7 == 2: at += value; value = data[at - value:at]
              fields[key >> 3] = value
          return fields

      channel = grpc.insecure_channel("unix://" + sys.argv[1])
      image = sys.argv[2]

      def call(method, **fields):
          path = "/runtime.v1.%s/%s" % ("ImageService" if "Image" in method else "RuntimeService", method)
          request = {int(name[1:]): value for name, value in fields.items()}
          return channel.unary_unary(path, encode, decode)(request, timeout=120)

      def until(condition):
          for _ in range(600):
              if condition(): return
              time.sleep(0.2)
          raise SystemExit("not within two minutes")

      # The plugin hears of an image that ctr has imported, and of the network's file, a little later.
      until(lambda: 1 in call("ImageStatus", _1={1: image}))
      conditions = lambda: call("Status")[1]
      until(lambda: conditions().count(b"\x10\x01") == 2)
      print("ready")

      config = {1: {1: "pod", 2: "uid", 3: "default"}, 2: "pod", 3: "/run/pods",
                8: {1: "/pod", 2: {1: {1: 0, 2: 1}}}}
      pod = call("RunPodSandbox", _1=config, _2="minidock")[1].decode()

      def container(name, *command, attempt=0):
          id = call("CreateContainer", _1=pod, _3=config, _2={
              1: {1: name, 2: attempt}, 2: {1: image}, 3: list(command), 6: {1: "A", 2: "B"},
              11: name + ".log", 15: {1: {4: 67108864, 3: 512}, 2: {15: {}}}})[1].decode()
          call("StartContainer", _1=id)
          return id

      def execute(id, script):
          result = call("ExecSync", _1=id, _2=["sh", "-c", script], _3=60)
          print(result.get(3, 0), result.get(1, b"").decode().strip())

      server = container("server", "sh", "-c", """
          mkdir /www; echo hello > /www/index.html; httpd -h /www
          trap 'exit 7' TERM; while :; do sleep 0.1; done""")
      client = container("client", "sleep", "1000")
      execute(client, "id")
      execute(client, "grep Seccomp: /proc/self/status | tr '\\t' ' '")
      execute(client, "ip -4 -o addr show eth0 | grep -o 'inet 10.231.99.'")
      execute(client, "exit 9")
      until(lambda: call("ExecSync", _1=client, _2=["wget", "-qO-", "http://127.0.0.1"], _3=60).get(3, 0) == 0)
      execute(client, "wget -qO- http://127.0.0.1")
      limit = "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2> /dev/null; true"
      execute(client, limit)
      call("UpdateContainerResources", _1=client, _2={4: 33554432})
      execute(client, limit)
      until(lambda: 3 in decode(call("ContainerStats", _1=client)[1]))
      print("uses memory")
      status = lambda id: decode(call("ContainerStatus", _1=id)[1])
      print("running" if status(server).get(3) == 1 else status(server))
      call("StopContainer", _1=server, _2=60)
      print("exited", status(server).get(7))
      call("RemoveContainer", _1=server)
      again = container("server", "sleep", "1000", attempt=1)
      print("replaced" if status(again).get(3) == 1 else status(again))
      call("StopPodSandbox", _1=pod)
      for id in again, client: call("RemoveContainer", _1=id)
      call("RemovePodSandbox", _1=pod)
      """#
  }
}
