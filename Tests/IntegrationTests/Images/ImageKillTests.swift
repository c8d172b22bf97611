import Glibc
import Linux
import TestSupport
import Testing

/// kill -9 at random moments of everything that changes the store of images: the store always checks
/// clean, the next attempt succeeds, and in the end there is exactly what there would be without any kill.
///
/// `MINIDOCK_TEST_ROUNDS` is the number of kills of each command, 8 unless set.
@Suite(
  .enabled(if: MinidockFixture.canServeRegistry, MinidockFixture.registryRequirement), .serialized)
struct ImageKillTests {
  let fixture: MinidockFixture
  private let rounds = getenv("MINIDOCK_TEST_ROUNDS").flatMap { Int(String(cString: $0)) } ?? 8

  init() throws { fixture = try MinidockFixture("imagekill") }

  /// Two layers of some megabytes, one of them plain, as an archive; what a kill meets takes some time.
  private func makeArchive() throws -> HostileImage {
    let made = try fixture.shell(
      #"""
      set -e; cd "$DIRECTORY"; mkdir -p a b/many
      head -c 3M /dev/urandom > a/noise; head -c 1M /dev/urandom > b/noise
      for n in $(seq 400); do echo $n > b/many/$n; done
      tar -cf a.tar -C a .; tar -cf b.tar -C b .; gzip -1k a.tar
      """#)
    try #require(made.status == 0, "\(made.errors)")
    func read(_ name: String) throws -> [UInt8] {
      try Files.read(fixture.file(name), limit: 1 << 30) ?? []
    }
    let image = HostileImage([
      .init(try read("a.tar.gz"), of: try read("a.tar"), "+gzip"), .init(try read("b.tar")),
    ])
    try Files.replace(fixture.file("image.tar"), with: image.archive)
    return image
  }

  /// Everything in the store but the lock: paths, kinds, sizes, targets.
  private func contents() throws -> String {
    let result = try fixture.shell(
      #"""
      cd "$MINIDOCK_ROOT" && find blobs layers images names ingest remote \
        \( -type d -printf '%P d %m\n' -o -printf '%P %y %m %s %l\n' \) 2> /dev/null | LC_ALL=C sort
      """#)
    return result.output
  }

  /// The store with what `fill` brings, and after all of that is removed again.
  private func states(_ fill: () throws -> Void) throws -> (whole: String, empty: String) {
    try fill()
    let whole = try contents()
    try fixture.succeed(["rmi"] + ids)
    return (whole, try contents())
  }

  private func clean(_ what: String) throws {
    let result = try fixture.minidock("image", "check")
    #expect(result.status == 0 && result.output == "no problems found\n", "\(what): \(result)")
  }

  /// Kills `words` at random moments of their first `time` milliseconds, or of the shorter time that they
  /// turn out to take.
  ///
  /// - Parameters:
  ///   - prepare: makes the state in which the command has something to do.
  ///   - after: looks at the store after each kill and brings it to where `prepare` can start again; its
  ///     argument says whether the command came to its end before the kill.
  private func killing(
    _ words: [String], time: UInt32, prepare: () throws -> Void,
    after: (Bool, String) throws -> Void
  ) throws {
    var killed = 0
    var window = time * 1000
    // Some of the kills come too late to tell anything; they are made up for, and the next come sooner.
    for round in 0..<(rounds * 4) where killed < rounds {
      try prepare()
      let command = try BackgroundProcess(
        [MinidockFixture.binary] + words, environment: fixture.environment + settings)
      usleep(UInt32.random(in: 0..<window))
      command.signal(SIGKILL)
      let end = try command.wait(timeoutSeconds: 60)
      if end.status == 137 { killed += 1 }
      window = end.status == 137 ? min(time * 1000, window * 5 / 4) : max(1000, window * 3 / 4)
      let what = "\(words[0]), round \(round), ended with \(end.status)"
      #expect(end.status == 137 || end.status == 0, "\(what): \(end.errors)")
      try clean(what)
      try after(end.status == 0, what)
    }
    #expect(killed >= min(rounds, 4), "the kills came too late to tell anything")
    try fixture.eventually("no process is left") { try helpers() == "" }
  }

  private var settings: [String] {
    ["MINIDOCK_CONFIG=\(fixture.file("config.toml"))", "DOCKER_CONFIG=\(fixture.file("docker"))"]
  }

  /// Processes of this installation, those that speak to registries included.
  private func helpers() throws -> String {
    try fixture.shell(
      #"""
      grep -lzs "^MINIDOCK_ROOT=$MINIDOCK_ROOT$" /proc/[0-9]*/environ | xargs -r dirname |
        xargs -rI{} readlink {}/exe | grep minidock
      """#
    ).output
  }

  private var ids: [String] { (try? Files.list(fixture.root + "/images")) ?? [] }

  @Test func loadKilledAtAnyMomentLeavesAWholeStore() throws {
    _ = try makeArchive()
    let load = ["load", "-q", "-i", fixture.file("image.tar")]
    let (whole, empty) = try states { try fixture.succeed(load) }
    try killing(
      load, time: 60, prepare: {},
      after: { isDone, what in
        // What is not there whole is not there at all; what was acknowledged is there.
        let now = try contents()
        #expect(now == whole || (now == empty && !isDone), "\(what)")
        try fixture.succeed(load)
        #expect(try contents() == whole, "\(what)")
        try fixture.succeed(["rmi"] + ids)
        #expect(try contents() == empty, "\(what)")
      })
  }

  @Test func rmiKilledAtAnyMomentLeavesAWholeStore() throws {
    _ = try makeArchive()
    let load = ["load", "-q", "-i", fixture.file("image.tar")]
    let (whole, empty) = try states { try fixture.succeed(load) }
    try killing(
      ["rmi", "localhost/evil:1"], time: 12, prepare: { try fixture.succeed(load) },
      after: { isDone, what in
        let again = try fixture.minidock("rmi", "localhost/evil:1")
        #expect(again.status == 0 || again.errors.contains("no such image"), "\(what): \(again)")
        if isDone { #expect(again.status == 1, "\(what)") }
        // The names go first: an image without one may be what a kill has left.
        if !ids.isEmpty { try fixture.succeed(["rmi"] + ids) }
        #expect(try contents() == empty, "\(what)")
        try fixture.succeed(load)
        #expect(try contents() == whole, "\(what)")
      })
  }

  @Test func pruneKilledAtAnyMomentLeavesAWholeStore() throws {
    _ = try makeArchive()
    // A second image that shares a layer and stays.
    try Files.replace(
      fixture.file("kept.tar"),
      with: HostileImage([.init(try Files.read(fixture.file("b.tar"), limit: 1 << 30) ?? [])])
        .archive)
    try fixture.succeed("load", "-q", "-i", fixture.file("kept.tar"))
    try fixture.succeed("tag", "localhost/evil:1", "kept")
    try fixture.succeed("rmi", "localhost/evil:1")
    let kept = try contents()
    try killing(
      ["image", "prune", "-f"], time: 12,
      prepare: {
        try fixture.succeed("load", "-q", "-i", fixture.file("image.tar"))
        // Without its name it is one of those that a prune takes.
        try fixture.succeed("tag", "kept", "localhost/evil:1")
        try fixture.succeed("rmi", "localhost/evil:1")
      },
      after: { isDone, what in
        if isDone { #expect(try contents() == kept, "\(what)") }
        try fixture.succeed("image", "prune", "-f")
        #expect(try contents() == kept, "\(what)")
      })
  }

  @Test func pullKilledAtAnyMomentLeavesAWholeStore() throws {
    let image = try makeArchive()
    let server = try HostileRegistry(fixture.file("hostile"))
    try image.serve(by: server)
    let name = "\(server.host)/evil"
    let (whole, empty) = try states { try fixture.remote("pull", "-q", name) }
    try killing(
      ["pull", "-q", name], time: 250, prepare: {},
      after: { isDone, what in
        let now = try contents()
        #expect(now == whole || !isDone, "\(what)")
        expectSuccess(try fixture.remote("pull", "-q", name))
        #expect(try contents() == whole, "\(what)")
        try fixture.succeed(["rmi"] + ids)
        #expect(try contents() == empty, "\(what)")
      })
  }

  @Test func pushKilledAtAnyMomentHarmsNothing() throws {
    _ = try makeArchive()
    let server = try fixture.registry()
    let name = "\(server.host)/pushed"
    try fixture.succeed("load", "-q", "-i", fixture.file("image.tar"))
    try fixture.succeed("tag", "localhost/evil:1", name)
    try fixture.remote("push", "-q", name)
    let whole = try contents()
    try killing(
      ["push", "-q", name], time: 400,
      prepare: {
        let removed = try fixture.shell(#"rm -rf "$1/storage/docker""#, server.directory)
        try #require(removed.status == 0, "\(removed.errors)")
      },
      after: { _, what in
        #expect(try contents() == whole, "\(what)")
        expectSuccess(try fixture.remote("push", "-q", name))
        #expect(try contents() == whole, "\(what)")
      })
    // What has arrived is the image.
    let id = ids[0]
    try fixture.succeed(["rmi", "-f"] + ids)
    #expect(try fixture.remote("pull", "-q", name).output == "sha256:\(id)\n")
  }
}
