import Glibc
import Image
import Linux
import TestSupport
import Testing

@Suite("Kills and crowds", .enabled(if: isRoot, "needs root"))
struct CrashTests {
  /// The store must be whole: every image complete, nothing that no image needs, nothing in hand.
  static func verify(_ fixture: StoreFixture, _ moment: String) throws {
    try fixture.store.sweep()
    // A killed import's child may have written for another moment: then a second sweep finishes.
    for _ in 0..<100 {
      if try Files.list(fixture.store.root + "/ingest").isEmpty { break }
      usleep(20_000)
      try fixture.store.sweep()
    }
    var expected: Set<String> = []
    for record in try fixture.store.list() {
      expected.insert("images/\(record.id.hex)")
      expected.formUnion([record.id, record.manifest].map { "blobs/sha256/\($0.hex)" })
      for layer in record.layers {
        expected.insert("blobs/sha256/\(layer.blob.hex)")
        expected.insert("layers/\(layer.chainID.hex)")
        let count = try shell(
          "find \"$1\" -type f | wc -l; sha256sum < \"$2\"", layer.path,
          "\(fixture.store.root)/blobs/sha256/\(layer.blob.hex)")
        #expect(count.hasPrefix("200\n\(layer.blob.hex)"), "\(moment): \(count)")
      }
    }
    let found = Set(try fixture.contents().filter { !$0.hasPrefix("names/") })
    #expect(found == expected, "\(moment): \(found.symmetricDifference(expected))")
    for name in try Files.list(fixture.store.root + "/names") {
      #expect(!name.hasSuffix(".tmp"), "\(moment)")
    }
  }

  static func archive(_ seed: Int) -> [UInt8] {
    TarBuilder.archive { tar in
      for index in 0..<200 { tar.file("d\(index % 10)/f\(index)", "content \(seed) \(index)") }
    }
  }

  @Test func killsDuringImportAndRemovalLeaveAWholeStore() async {
    await #expect(processExitsWith: .success) {
      recordingErrors {
        let fixture = try StoreFixture()
        let kept = try fixture.importBytes(CrashTests.archive(0), "kept")
        var killed = 0
        for round in 1...48 {
          let path = try fixture.write(CrashTests.archive(round % 5), "round")
          let child = try Processes.forkHelper { _ in
            do {
              if round % 3 == 0 {
                _ = try fixture.store.remove("victim", force: true) { _ in [] }
              } else {
                try fixture.importFile(path, "victim")
              }
              return 0
            } catch {
              return 3
            }
          }
          // From the first instant to well after the end, unevenly; some are left to finish.
          if round % 8 != 0 {
            usleep(UInt32(round * round * 7919 % 100_000))
            Glibc.kill(child.pid, SIGKILL)
          }
          let status = try Processes.wait(pidfd: child.handle)
          let found = try fixture.store.find("victim")
          if status == .signaled(SIGKILL) {
            killed += 1
          } else if status == .exited(0) {
            // Acknowledged is acknowledged.
            #expect((found != nil) == (round % 3 != 0), "round \(round)")
          }
          try CrashTests.verify(fixture, "round \(round)")
          #expect(try fixture.store.find("kept")?.id == kept.id, "round \(round)")
        }
        #expect(killed > 0)
      }
    }
  }

  @Test func manyImportsOfTheSameFileAtOnceMakeOneImage() async {
    await #expect(processExitsWith: .success) {
      recordingErrors {
        let fixture = try StoreFixture()
        let path = try fixture.write(CrashTests.archive(1), "same")
        var pids: [Int32] = []
        for index in 0..<8 {
          let child = try Processes.forkHelper { _ in
            do {
              try fixture.importFile(path, "name\(index)")
              return 0
            } catch {
              return 3
            }
          }
          pids.append(child.pid)
        }
        for pid in pids {
          let end = try Processes.wait(pid: pid)
          #expect(end == .exited(0))
        }
        try CrashTests.verify(fixture, "crowd")
        let images = try fixture.store.list()
        #expect(images.count == 1)
        #expect(images.first?.names.map(\.repository) == (0..<8).map { "name\($0)" })
      }
    }
  }

  @Test func aSweepLeavesARunningImportAlone() async {
    await #expect(processExitsWith: .success) {
      recordingErrors {
        let fixture = try StoreFixture()
        let bytes = CrashTests.archive(2)
        let pipe = try Descriptor.pipe()
        let reader = pipe.read
        let writer = pipe.write
        let (input, output) = (reader.raw, writer.raw)
        let child = try Processes.forkHelper { _ in
          close(output)
          do {
            _ = try fixture.store.importRootfs(
              from: input, name: Reference("slow"), config: ImageConfig(), comment: "",
              created: .now, progress: nil)
            return 0
          } catch {
            return 3
          }
        }
        try writer.write(Array(bytes[..<60_000]))
        while try Files.list(fixture.store.root + "/ingest").isEmpty { usleep(1000) }
        try fixture.store.sweep()
        #expect(try Files.list(fixture.store.root + "/ingest").count == 1)
        #expect(try fixture.store.find("slow") == nil)
        try writer.write(Array(bytes[60_000...]))
        _ = consume writer
        let end = try Processes.wait(pidfd: child.handle)
        #expect(end == .exited(0))
        #expect(try fixture.store.find("slow") != nil)
        try CrashTests.verify(fixture, "after")
      }
    }
  }
}
