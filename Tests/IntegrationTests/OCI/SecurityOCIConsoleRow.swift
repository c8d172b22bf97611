import Glibc
import Linux
import TestSupport
import Testing

// What an image or a volume puts in the way of a terminal whose other end goes to an engine's socket.
extension SecurityOCIRows {
  /// Takes the terminals of any number of containers and prints what they write.
  private static let receiver = #"""
    import array, os, socket, sys
    server = socket.socket(socket.AF_UNIX)
    server.bind(sys.argv[1])
    server.listen(8)
    print("ready", flush=True)
    while True:
        connection, _ = server.accept()
        data, control, _, _ = connection.recvmsg(4096, 64)
        numbers = array.array("i")
        for _, _, part in control: numbers.frombytes(part)
        for number in numbers:
            while True:
                try: text = os.read(number, 4096)
                except OSError: break
                if not text: break
                sys.stdout.write(text.decode().replace("\r", "")); sys.stdout.flush()
            os.close(number)
    """#

  private static let command = "echo written > /dev/console; stat -c %t /dev/console; tty"

  private func startReceiver(_ socket: String) throws -> BackgroundProcess {
    let script = try fixture.base.write("consoles.py", SecurityOCIRows.receiver)
    let process = try BackgroundProcess(["python3", script, socket])
    try #require(try process.wait(untilOutput: { $0.contains("ready") }, timeoutSeconds: 60))
    return process
  }

  /// Creates and starts a bundle with a terminal over and over; returns how many starts were refused.
  private func start(_ path: String, _ socket: String, rounds: Int) throws -> Int {
    let result = try fixture.base.shell(
      """
      for round in $(seq "$4"); do
        oci() { "$MINIDOCK-oci" --root "$1" "${@:2}"; }
        id="$5-$round"
        if oci "$1" create --bundle "$2" --console-socket "$3" "$id" </dev/null >/dev/null 2>&1 &&
            oci "$1" start "$id" 2>/dev/null; then
          until oci "$1" state "$id" | grep -q stopped; do sleep 0.05; done
        else
          echo failed
        fi
        oci "$1" delete --force "$id"
      done
      """, fixture.root, path, socket, String(rounds), fixture.id("c" + randomHex(bytes: 3)),
      timeoutSeconds: 300)
    #expect(result.status == 0 && result.errors == "", "\(result)")
    return result.output.split(separator: "\n").count
  }

  @Test func sec06_CVE_2025_52565_oci_theConsoleIsThePtyThatWasOpened() throws {
    let before = try fixture.base.sentinelHash()
    let tree = try fixture.base.makeTree(
      "evil",
      changes: """
        rm -rf dev/pts dev/console
        mkdir -p dev/pts tools
        touch dev/console
        ln -s "$SENTINEL/console" dev/pts/0
        ln -s "$SENTINEL/console" dev/ptmx
        """)
    let socket = fixture.base.file("consoles")
    let receiver = try startReceiver(socket)
    let path = try fixture.bundle("console", ["sh", "-c", SecurityOCIRows.command]) {
      try prepare(&$0, tree)
      try $0.set("process.terminal", "true")
    }
    #expect(try start(path, socket, rounds: 1) == 0)
    let console = "ready\nwritten\n88\n/dev/pts/0\n"
    #expect(try receiver.wait(untilOutput: { $0 == console }, timeoutSeconds: 60))

    // A /dev or /dev/pts that somebody else can change: a pty, or no start.
    let volume = fixture.base.file("volume")
    try Files.makeDirectories(volume + "/pts", mode: 0o755)
    try Files.replace(volume + "/console", with: [], mode: 0o666)
    for folder in [volume, volume + "/pts"] {
      try Files.replace(folder + "/0", with: [], mode: 0o666)
      symlink(fixture.base.sentinel + "/console", folder + "/link")
    }
    let flippers = try [volume, volume + "/pts"].map { try flip($0 + "/0", $0 + "/link") }
    func bind(_ target: String, _ source: String) -> String {
      #"{"destination":"\#(target)","type":"bind","source":"\#(source)","options":["rbind"]}"#
    }
    let ownDev = [
      #"{"destination":"/proc","type":"proc","source":"proc"}"#, bind("/dev", volume),
      #"{"destination":"/dev/pts","type":"devpts","source":"d","options":["newinstance"]}"#,
    ]
    for (isWhole, mounts) in [(true, ownDev), (false, [bind("/dev/pts", volume + "/pts")])] {
      let raced = try fixture.bundle("raced", ["sh", "-c", SecurityOCIRows.command]) {
        try prepare(&$0, tree)
        try $0.set("process.terminal", "true")
        if isWhole { try $0.set("mounts", "[]") }
        for mount in mounts { try $0.append("mounts", mount) }
      }
      _ = try start(raced, socket, rounds: max(SecurityRows.rounds / 16, 5))
    }
    _ = flippers
    receiver.signal(SIGTERM)
    let lines = Set(try receiver.wait(timeoutSeconds: 60).output.split(separator: "\n"))
    // With the volume over its devpts the terminal is found by its other name.
    let good: Set<Substring> = ["ready", "written", "88", "/dev/pts/0", "/dev/console"]
    #expect(lines.isSubset(of: good), "\(lines)")
    #expect(try fixture.base.sentinelHash() == before)

    // Control: a bind mount of ROOT/dev/pts/0 by path makes the host's file the console.
    let control = try naive(["-c", tree, "sh", "-c", "echo written > /dev/console"])
    #expect(control.status == 0, "\(control)")
    #expect(try fixture.base.sentinelHash() != before)
  }
}
