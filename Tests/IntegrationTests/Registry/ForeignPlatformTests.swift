import Linux
import TestSupport
import Testing

/// Images for another machine: refused in a line, unless they are asked for by their platform.
@Suite(.enabled(if: MinidockFixture.canServeRegistry, MinidockFixture.registryRequirement))
struct ForeignPlatformTests {
  let fixture: MinidockFixture
  let server: HostileRegistry

  init() throws {
    fixture = try MinidockFixture("foreign")
    server = try HostileRegistry(fixture.file("hostile"))
  }

  private func expectRefusal(_ result: CommandResult, _ status: Int32) {
    #expect(result.status == status, "\(result.output)")
    #expect(result.errors.lines.count == 1 || result.errors.contains("pulling it"))
    // No emulator is called so.
    #expect(result.errors.contains("it is for linux/sparc64"), "\(result.errors)")
  }

  @Test func pullRunAndCreateRefuseItAndFetchNoLayer() throws {
    let image = try server.make("app", platform: "linux/sparc64")
    let name = "\(server.host)/app"
    for (words, status) in [
      (["pull", name], 1), (["run", "--rm", name, "true"], 125), (["create", name], 125),
      (["run", "--rm", "--platform", "linux/sparc64", name, "true"], 125),
    ] as [([String], Int32)] {
      expectRefusal(try fixture.remote(words), status)
    }
    #expect(!server.requests().contains { $0.contains(image.layers[0]) })
    // To be copied or looked into it may be had.
    let asked = try fixture.remote("pull", "-q", "--platform", "linux/sparc64", name)
    #expect(asked.output == image.config + "\n", "\(asked.errors)")
    expectRefusal(try fixture.remote("run", "--rm", name, "true"), 125)
    expectRefusal(try fixture.remote("create", name), 125)
  }
}
