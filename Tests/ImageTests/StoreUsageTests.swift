import Linux
import TestSupport
import Testing

@testable import Image

/// What the store takes up is what du(1) counts, to the byte.
@Suite(.enabled(if: isRoot, "needs root"))
struct StoreUsageTests {
  @Test func theTotalIsTheSumOfAllFiles() async {
    await #expect(processExitsWith: .success) {
      recordingErrors {
        let fixture = try StoreFixture()
        func found() throws -> Int64 {
          let text = try shell(
            "cd \"$1\"; find blobs layers images ! -type d -printf '%i %s\\n' | sort -u "
              + "| awk '{ sum += $2 } END { print sum + 0 }'", fixture.store.root)
          return Int64(text.prefix { $0 != "\n" }) ?? -1
        }
        let one = try fixture.importBytes(
          TarBuilder.archive { tar in
            tar.file("a", String(repeating: "x", count: 12_345))
            tar.hardLink("b", "a")
            tar.link("c", "a")
            // Written twice: only the second is there.
            tar.file("d", String(repeating: "y", count: 999))
            tar.file("d", "z")
          }, "one")
        let first = try StoreUsage(fixture.store)
        #expect(try first.total == found())
        #expect(first.bytes(of: [one]) == first.total)
        let two = try fixture.importBytes(TarBuilder.archive { $0.file("e", "other") }, "two")
        let both = try StoreUsage(fixture.store)
        #expect(try both.total == found())
        #expect(both.bytes(of: [one, two, one]) == both.total)
        #expect(both.shares(of: [one, two]).map(\.shared) == [0, 0])
        #expect(both.shares(of: [one, two]).reduce(0) { $0 + $1.unique } == both.total)
        // Only what the image needs is looked at, and only what has gone counts as given back.
        let own = try StoreUsage(fixture.store, of: [two])
        #expect(own.total == both.total - first.total && own.freed(from: fixture.store) == 0)
        _ = try fixture.store.remove("two", force: true) { _ in [] }
        #expect(own.freed(from: fixture.store) == own.total)
        #expect(try StoreUsage(fixture.store).total == first.total)
      }
    }
  }
}
