import Engine
import Linux
import Testing

@testable import minidock

@Suite struct TemplateTests {
  private let document = JSONValue.object([
    ("ID", .string("abc")), ("Names", .string("web")), ("Empty", .string("")),
    ("Null", .null), ("Zero", .number(0)), ("Code", .number(137)), ("Yes", .bool(true)),
    ("No", .bool(false)), ("List", .strings(["x", "y"])), ("None", .array([])),
    (
      "State",
      .object([("Status", .string("running")), ("Health", .object([("Log", .strings(["ok"]))]))])
    ), ("Labels", .object([("a.b", .string("1")), ("c", .string("2"))])),
  ])

  private func render(_ text: String) throws(Failure) -> String {
    try Template(text).render(document)
  }

  @Test(arguments: [
    ("", ""), ("plain", "plain"), ("{{.ID}} {{.Names}}", "abc web"), ("{{ .ID }}", "abc"),
    ("{{.State.Status}}", "running"), ("{{.State.Health.Log}}", "[ok]"),
    (#"{{.ID}}\t{{.Names}}\n"#, "abc\tweb\n"),
    ("{{.Code}}", "137"), ("{{.Yes}}", "true"), ("{{.Null}}", "<no value>"), ("{{.List}}", "[x y]"),
    ("{{.Labels}}", "map[a.b:1 c:2]"), ("{{json .List}}", #"["x","y"]"#),
    ("{{json .ID}}", #""abc""#),
    ("{{json .State}}", #"{"Status":"running","Health":{"Log":["ok"]}}"#),
    ("{{json .Null}}", "null"),
    ("{{json .}}", nil), (#"{{index .Labels "a.b"}}"#, "1"), ("{{index .List 1}}", "y"),
    ("{{len .List}}", "2"), ("{{len .ID}}", "3"), (#"{{join .List ","}}"#, "x,y"),
    ("{{upper .ID}}", "ABC"),
    ("{{lower .ID}}", "abc"), ("{{title .ID}}", "Abc"), ("{{println .ID}}", "abc\n"),
    (#"{{split "a b" " "}}"#, "[a b]"), (#"{{"a b"}}"#, "a b"),
    ("{{if .Yes}}a{{end}}", "a"), ("{{if .No}}a{{end}}", ""),
    ("{{if .Empty}}a{{else}}b{{end}}", "b"),
    ("{{if .Zero}}a{{else}}b{{end}}", "b"), ("{{if .None}}a{{else}}b{{end}}", "b"),
    ("{{if .Null}}a{{else}}b{{end}}", "b"), ("{{range .List}}<{{.}}>{{end}}", "<x><y>"),
    ("{{range .None}}a{{else}}none{{end}}", "none"), ("{{range .List}}{{$.ID}}{{end}}", "abcabc"),
    ("{{with .State}}{{.Status}}{{end}}", "running"), ("{{with .Empty}}a{{else}}b{{end}}", "b"),
    (#"{{if eq .ID "abc"}}same{{end}}"#, "same"), (#"{{if ne .Code 0}}failed{{end}}"#, "failed"),
    ("{{if not .No}}a{{end}}", "a"),
    ("{{range .List}}{{if eq . \"x\"}}1{{else}}2{{end}}{{end}}", "12"),
  ])
  func `a template prints what docker's does`(text: String, output: String?) throws {
    if let output {
      #expect(try render(text) == output)
    } else {
      #expect(try render(text) == document.compact)
    }
  }

  @Test(arguments: [
    "{{", "{{.ID", "{{}}", "{{end}}", "{{else}}", "{{if .ID}}", "{{if}}a{{end}}", "{{range .List}}",
    "{{.Missing}}", "{{.ID.Deeper}}", "{{missing .ID}}", "{{json}}", "{{index .List 9}}",
    "{{index .List -1}}", "{{\"open}}", "{{if .ID}}a{{else}}b", "{{ID}}",
  ])
  func `a wrong template is an error, not half a line`(text: String) {
    #expect(thrownBy { () throws(Failure) in _ = try render(text) }?.code == .invalid)
  }

  @Test func `else if is a condition of its own`() throws {
    let text = "{{if .No}}a{{else if .Yes}}b{{else}}c{{end}}"
    #expect(try render(text) == "b")
    #expect(try render(text.replacing(".Yes", with: ".Empty")) == "c")
    #expect(try render("{{if .Yes}}a{{else if .Yes}}b{{end}}!") == "a!")
  }

  @Test func `a dash trims the white space on its side`() throws {
    #expect(try render("a  {{- .ID -}} \n b") == "aabcb")
    #expect(try render("a {{- .ID}} b") == "aabc b")
    #expect(try render("a {{.ID -}} b") == "a abcb")
  }

  @Test func `a table's headings are the fields`() throws {
    let template = try Template(#"{{.ID}}\t{{upper .Names}}\t{{.RunningFor}}"#)
    #expect(
      template.heading(["ID": "CONTAINER ID", "RunningFor": "CREATED"])
        == "CONTAINER ID\tNAMES\tCREATED")
  }
}

@Suite struct TableTests {
  @Test func `columns are as wide as their widest cell and three spaces apart`() {
    #expect(
      Table.text([["ID", "NAME", "X"], ["abc", "w", ""], ["a", "longer", "y"]]) == """
        ID    NAME     X
        abc   w        \("")
        a     longer   y

        """)
    #expect(Table.text([]) == "")
    #expect(Table.text([["A", "B"]]) == "A   B\n")
  }

  @Test func `tabs separate cells`() {
    #expect(Table.cells("a\tb\t\tc") == ["a", "b", "", "c"])
    #expect(Table.cells("") == [""])
  }
}
