import Glibc
import Image
import Linux
import TestSupport
import Testing

@Suite("The image store", .enabled(if: isRoot, "needs root"))
struct StoreTests {
  static func archive(_ content: String) -> [UInt8] {
    TarBuilder.archive { $0.file("file", content) }
  }

  @Test(.enabled(if: hasProgram("jq"), "needs jq"))
  func importedImagesAreValidOCIImagesByTheirDigests() async {
    await #expect(processExitsWith: .success) {
      recordingErrors {
        let fixture = try StoreFixture()
        let config = ImageConfig(
          env: ["A=1", "B=x=y"], cmd: ["sh", "-c", "echo \"hi\"\n"], entrypoint: ["/e"],
          user: "1:2", workingDir: "/w", labels: ["k": "v", "a": ""], volumes: ["/v"],
          exposedPorts: ["80/tcp"], stopSignal: "SIGINT")
        for (tool, type) in [
          ("cat", "tar"), ("gzip", "tar+gzip"), ("zstd -q", "tar+zstd"), ("xz", "tar"),
          ("bzip2", "tar"),
        ] {
          let plain = try fixture.write(StoreTests.archive(tool), "plain")
          try shell("\(tool) < \"$1\" > \"$1.z\"", plain)
          let record = try fixture.importFile(plain + ".z", "img", config: config)
          #expect(record.config == config)
          #expect(record.created == StoreFixture.moment)
          #expect(record.comment == "a test")
          #expect(record.size == Int64(tool.utf8.count))
          #expect(record.os == "linux")
          #expect(record.names.map(\.familiar) == ["img:latest"])
          // Read back by tools that know nothing of minidock.
          let said = try shell(
            """
            cd "$1/blobs/sha256"; for blob in *; do [ $(sha256sum < $blob | cut -c1-64) = $blob ]; done
            jq -r '.schemaVersion, .mediaType, .config.mediaType, .config.digest, .layers[0].mediaType,
              .layers[0].digest, .layers[0].size, (.layers | length)' $2
            jq -c '.architecture, .os, .created, .rootfs, .config, .history' $3
            stat -c %s $4; sha256sum < "$5" | cut -c1-64
            """, fixture.store.root, record.manifest.hex, record.id.hex,
            record.layers[0].blob.hex, plain
          ).split(separator: "\n").map(String.init)
          #expect(
            said[0...7] == [
              "2", "application/vnd.oci.image.manifest.v1+json",
              "application/vnd.oci.image.config.v1+json", record.id.description,
              "application/vnd.oci.image.layer.v1.\(type)", record.layers[0].blob.description,
              said[14], "1",
            ])
          #expect(said[10] == "\"\(StoreFixture.moment.description)\"")
          #expect(said[11] == "{\"diff_ids\":[\"\(record.layers[0].diffID)\"],\"type\":\"layers\"}")
          #expect(said[12].contains("\"WorkingDir\":\"/w\""))
          #expect(said[12].contains("\"Labels\":{\"a\":\"\",\"k\":\"v\"}"))
          #expect(said[15] == record.layers[0].diffID.hex)
        }
      }
    }
  }

  @Test func imagesAreFoundByNameDigestIdAndBeginningOfAnId() async {
    await #expect(processExitsWith: .success) {
      recordingErrors {
        let fixture = try StoreFixture()
        let store = fixture.store
        let a = try fixture.importBytes(StoreTests.archive("a"), "app")
        try store.tag(a, as: Reference("localhost:5000/team/app:2"))
        let b = try fixture.importBytes(StoreTests.archive("b"), nil)
        for text in [
          "app", "app:latest", "docker.io/library/app", "localhost:5000/team/app:2", a.id.hex,
          a.id.description, a.id.short, "sha256:" + a.id.short, "app@" + a.manifest.description,
        ] {
          #expect(try store.find(text)?.id == a.id, "\(text)")
        }
        let found = try store.find("app")
        #expect(found?.names.map(\.familiar) == ["app:latest", "localhost:5000/team/app:2"])
        #expect(found == (try store.list().first { $0.id == a.id }))
        #expect(try store.find(b.id.short)?.names.isEmpty == true)
        for text in [
          "nothing", "app:3", "other@" + a.manifest.description, String(repeating: "0", count: 64),
        ] {
          #expect(try store.find(text) == nil, "\(text)")
        }
        for text in ["", "A B", "../x", "sha256:../../x", "app@sha256:12"] {
          #expect(throws: Failure.self, "\(text)") { try store.find(text) }
        }
        // With 17 images two ids begin with the same digit.
        for index in 0..<17 { try fixture.importBytes(StoreTests.archive("\(index)"), nil) }
        let digits = try store.list().map { $0.id.hex.prefix(1) }
        let shared = digits.first { digit in digits.count { $0 == digit } > 1 }!
        let failure = #expect(throws: Failure.self) { try store.find(String(shared)) }
        #expect(failure?.code == .invalid)
        // A name goes before a beginning of an id.
        let c = try fixture.importBytes(StoreTests.archive("c"), String(a.id.hex.prefix(6)))
        #expect(try store.find(String(a.id.hex.prefix(6)))?.id == c.id)
      }
    }
  }

  @Test func aNameMovesToTheNewerImage() async {
    await #expect(processExitsWith: .success) {
      recordingErrors {
        let fixture = try StoreFixture()
        let old = try fixture.importBytes(StoreTests.archive("old"), "app")
        let new = try fixture.importBytes(StoreTests.archive("new"), "app")
        #expect(try fixture.store.find("app")?.id == new.id)
        #expect(try fixture.store.find(old.id.hex)?.names.isEmpty == true)
        #expect(try fixture.store.list().count == 2)
        // The same input again is the same image.
        #expect(try fixture.importBytes(StoreTests.archive("old"), "again").id == old.id)
        #expect(try fixture.store.list().count == 2)
      }
    }
  }

  @Test func longNamesAreStoredToo() async {
    await #expect(processExitsWith: .success) {
      recordingErrors {
        let fixture = try StoreFixture()
        let path = (0..<12).map { _ in "component-of-a-name" }.joined(separator: "/")
        let name = "h.example/\(path):" + String(repeating: "t", count: 128)
        let record = try fixture.importBytes(StoreTests.archive("x"), name)
        #expect(try fixture.store.find(name)?.id == record.id)
        #expect(try fixture.store.list().first?.names.first?.familiar == name)
        #expect(try fixture.store.remove(name, force: false) { _ in [] }.count == 3)
        #expect(try fixture.contents().isEmpty)
      }
    }
  }

  @Test func removalFollowsDockersRules() async {
    await #expect(processExitsWith: .success) {
      recordingErrors {
        let fixture = try StoreFixture()
        let store = fixture.store
        let a = try fixture.importBytes(StoreTests.archive("a"), "app:1")
        try store.tag(a, as: Reference("app:2"))
        try store.tag(a, as: Reference("other"))
        // One of several names: only the name, even while the image is in use.
        let first = try store.remove("app:1", force: false) { _ in ["container x"] }
        #expect(first.map(\.description) == ["Untagged: app:1"])
        // By id with names in several repositories.
        let conflict = #expect(throws: Failure.self) {
          try store.remove(a.id.short, force: false) { _ in [] }
        }
        #expect(conflict?.code == .inUse)
        // The last name of an image in use.
        _ = try store.remove("other", force: false) { _ in [] }
        let used = #expect(throws: Failure.self) {
          try store.remove("app:2", force: false) { _ in ["container x"] }
        }
        #expect(used?.code == .inUse)
        #expect(used?.reason.contains("container x") == true)
        // With force its name goes and its layers stay.
        let forced = try store.remove("app:2", force: true) { _ in ["container x"] }
        #expect(forced.map(\.description) == ["Untagged: app:2"])
        #expect(Files.exists(a.layers[0].path + "/file"))
        let gone = try store.remove(a.id.short, force: false) { _ in [] }
        #expect(gone == [.deleted(a.id), .deleted(a.layers[0].chainID)])
        #expect(try fixture.contents().isEmpty)
        let missing = #expect(throws: Failure.self) {
          try store.remove("app", force: true) { _ in [] }
        }
        #expect(missing?.code == .notFound)
      }
    }
  }

  @Test func sharedLayersStayAsLongAsAnImageHasThem() async {
    await #expect(processExitsWith: .success) {
      recordingErrors {
        let fixture = try StoreFixture()
        let path = try fixture.write(StoreTests.archive("shared"))
        let a = try fixture.importFile(path, "a", config: ImageConfig(cmd: ["a"]))
        let b = try fixture.importFile(path, "b", config: ImageConfig(cmd: ["b"]))
        #expect(a.id != b.id)
        #expect(a.layers == b.layers)
        let gone = try fixture.store.remove("a", force: false) { _ in [] }
        #expect(gone.map(\.description) == ["Untagged: a:latest", "Deleted: \(a.id)"])
        #expect(Files.exists(b.layers[0].path + "/file"))
        #expect(try fixture.store.remove("b", force: false) { _ in [] }.count == 3)
        #expect(try fixture.contents().isEmpty)
      }
    }
  }

  @Test func aDamagedSummaryIsMadeAgainFromTheDocuments() async {
    await #expect(processExitsWith: .success) {
      recordingErrors {
        let fixture = try StoreFixture()
        let config = ImageConfig(env: ["A=b\nc\\d"], cmd: ["sh"], labels: ["x": "y=z"])
        let path = try fixture.write(StoreTests.archive("x"))
        let record = try fixture.importFile(path, "app/x:1", config: config)
        let summary = "\(fixture.store.root)/images/\(record.id.hex)"
        let whole = try #require(try Files.read(summary))
        for damaged in [[], Array(whole.prefix(100)), Array(whole.dropLast(8)), [0, 1, 2, 10]] {
          try Files.replace(summary, with: damaged)
          #expect(try fixture.store.find("app/x:1") == record)
          #expect(try Files.read(summary) == whole)
        }
      }
    }
  }

  @Test("sec32_CVE_2024_25621_theStoreIsPrivate")
  func privacy() async {
    await #expect(processExitsWith: .success) {
      recordingErrors {
        let fixture = try StoreFixture()
        let root = fixture.store.root
        try fixture.importBytes(TarBuilder.archive { $0.file("setuid", "x", mode: 0o4755) })
        let reached = try run([
          "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "find", root,
        ])
        #expect(reached.errors.contains("Permission denied"))
        #expect(reached.output.split(separator: "\n").count <= 1)
        // Negative control: what lies inside is reachable once the root is open.
        let path = try fixture.store.list()[0].layers[0].path + "/setuid"
        try shell("chmod 755 \"$1\" \"$1/layers\" \"$1\"/layers/*", root)
        #expect(
          try run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "cat", path])
            .status
            == 0)
        let open = #expect(throws: Failure.self) { try ImageStore(root: root) }
        #expect(open?.code == .refused)
        #expect(open?.remedy.contains("chmod 0700") == true)
        try shell("chmod 700 \"$1\"", root)
        let inner = #expect(throws: Failure.self) {
          try fixture.importBytes(TarBuilder.archive { $0.file("x") })
        }
        #expect(inner?.object == root + "/layers")
        try shell("chmod 700 \"$1/layers\"; chown 1000 \"$1\"", root)
        #expect(throws: Failure.self) { try ImageStore(root: root) }
        try shell("chown 0 \"$1\"; mv \"$1\" \"$1.real\"; ln -s \"$1.real\" \"$1\"", root)
        #expect(throws: Failure.self) { try ImageStore(root: root) }
      }
    }
  }
}
