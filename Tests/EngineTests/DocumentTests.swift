import FoundationEssentials
import Image
import Linux
import Testing

@testable import Engine

@Suite struct JSONValueTests {
  @Test func `a document keeps its order, on one line and on many`() {
    let value = JSONValue.object([
      ("b", .number(1)), ("a", .strings(["x"])), ("e", .object([])), ("n", .optional(nil)),
      ("l", .array([])), ("t", .bool(true)),
    ])
    #expect(value.compact == #"{"b":1,"a":["x"],"e":{},"n":null,"l":[],"t":true}"#)
    #expect(
      value.pretty == """
        {
            "b": 1,
            "a": [
                "x"
            ],
            "e": {},
            "n": null,
            "l": [],
            "t": true
        }
        """)
    guard case .number(1)? = value["b"] else {
      Issue.record("no member b")
      return
    }
    #expect(value["none"] == nil)
    #expect(JSONValue.null["b"] == nil)
  }

  @Test func `any string is read back by another parser`() throws {
    var texts = ["", "\"\\/", "e\u{301}", "😀", "\u{2028}", "</script>", "\"\u{301}"]
    texts += (0...0x1f).map { "x" + String(UnicodeScalar(UInt8($0))) } + ["\u{7f}"]
    for text in texts {
      let document = JSONValue.object([(text, .string(text))]).compact
      let read = try JSONDecoder().decode([String: String].self, from: Data(document.utf8))
      #expect(read[text].map { Array($0.utf8) } == Array(text.utf8), "\(document)")
      #expect(!document.utf8.contains { $0 < 0x20 })
    }
  }

  @Test func `numbers reach both ends`() {
    #expect(
      JSONValue.array([.number(.min), .number(.max)]).compact
        == "[-9223372036854775808,9223372036854775807]")
  }
}

@Suite struct ImageChangesTests {
  private func config(_ instructions: String...) throws(Failure) -> ImageConfig {
    try ImageChanges(instructions).config()
  }

  @Test func `instructions set the image's configuration`() throws {
    let config = try config(
      #"CMD ["sh", "-c", "a, b"]"#, "ENTRYPOINT exec top -b", #"ENV A=1 B="two words""#, "ENV A=2",
      "ENV OLD the rest", "LABEL a=b c=", "USER www:www", "WORKDIR /srv", "EXPOSE 80 53/udp",
      #"VOLUME ["/a", "/b"]"#, "VOLUME /c /d", "stopsignal SIGINT")
    #expect(config.cmd == ["sh", "-c", "a, b"])
    #expect(config.entrypoint == ["/bin/sh", "-c", "exec top -b"])
    #expect(config.env == ["A=2", "B=two words", "OLD=the rest"])
    #expect(config.labels == ["a": "b", "c": ""])
    #expect(config.user == "www:www")
    #expect(config.workingDir == "/srv")
    #expect(config.exposedPorts == ["80/tcp", "53/udp"])
    #expect(config.volumes == ["/a", "/b", "/c", "/d"])
    #expect(config.stopSignal == "SIGINT")
  }

  @Test(arguments: [
    "", "CMD", "RUN ls", "CMD [\"sh\"", "CMD [sh]", "CMD [\"sh]", "WORKDIR srv", "ENV A",
    "ENV =x", "LABEL \"a=b", "STOPSIGNAL NONE", "STOPSIGNAL RTMIN+2147483647", "FROM scratch",
  ])
  func `a wrong instruction is an error that shows it`(text: String) {
    let failure = thrownBy { () throws(Failure) in _ = try config(text) }
    #expect(failure?.code == .invalid)
    #expect(failure?.object.contains(text) == true)
  }

  @Test func `the exec form is JSON`() throws {
    let made = try config(#"CMD ["sh","-c","echo \"hi\""]"#)
    #expect(made.cmd == ["sh", "-c", #"echo "hi""#])
    #expect(try config("CMD []").cmd == [])
  }
}

@Suite struct TraceTests {
  @Test func `a trace has a line for each step and the total, in microseconds`() {
    var trace = Trace(true)
    trace.mark("resolve image")
    trace.mark("mounts")
    trace.add([("pivot root", 5_999)])
    let lines = trace.lines.map { $0.split(separator: " ").map(String.init) }
    #expect(lines.map { $0[1] } == ["resolve-image", "mounts", "init/pivot-root", "total"])
    for line in lines {
      #expect(line.count == 3)
      #expect(line[0] == "step")
      #expect(UInt64(line[2]) != nil)
    }
    #expect(lines[2][2] == "5")
    let sum = trace.steps.reduce(0) { $0 + $1.nanoseconds }
    #expect(UInt64(lines[3][2]) == sum / 1000)
  }

  @Test func `a trace that is off says nothing`() {
    var trace = Trace(false)
    trace.mark("resolve")
    #expect(trace.lines.isEmpty)
    #expect(trace.steps.isEmpty)
  }
}

@Suite struct FilterTests {
  @Test func `a filter is a key and a value`() throws {
    #expect(try Filter("status=exited").key == "status")
    #expect(try Filter("LABEL=a=b").value == "a=b")
    #expect(try Filter("LABEL=a=b").key == "label")
    #expect(try Filter("name=").value == "")
    #expect(thrownBy { () throws(Failure) in _ = try Filter("status") }?.code == .invalid)
  }

  @Test func `an unknown key is an error that lists the known ones`() throws {
    let filters = [try Filter("colour=red")]
    let failure = thrownBy { () throws(Failure) in
      try Filter.check(filters, known: ContainerList.filterKeys)
    }
    #expect(failure?.code == .invalid)
    #expect(failure?.remedy.contains("status") == true)
    try Filter.check([Filter("name=x")], known: ContainerList.filterKeys)
  }

  @Test func `a label matches by key, or by key and value`() throws {
    let labels = [(key: "a", value: "b"), (key: "empty", value: "")]
    for (text, matches) in [
      ("a", true), ("a=b", true), ("a=c", false), ("b", false), ("empty", true), ("empty=", true),
      ("", false),
    ] {
      #expect(try Filter("label=" + text).matchesLabel(labels) == matches, "\(text)")
    }
  }
}

@Suite struct NetworkModeTests {
  @Test func `a network is known by docker's names`() throws {
    for (text, mode) in [
      ("bridge", NetworkMode.bridge), ("default", .bridge), ("none", .none), ("host", .host),
      ("container:x", .container("x")), ("mine", .user("mine")),
    ] {
      #expect(try NetworkMode(text) == mode)
    }
    for text in ["", "a/b", "container:", ".hidden", "a b"] {
      #expect(thrownBy { () throws(Failure) in _ = try NetworkMode(text) }?.code == .invalid)
    }
  }
}
