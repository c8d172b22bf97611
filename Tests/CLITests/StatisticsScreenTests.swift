import Engine
import Linux
import Testing

@testable import minidock

@Suite struct StatisticsScreenTests {
  private func figures(_ count: Int, cpu: Double = 50) -> [StatisticsFigures] {
    (0..<count).map { index in
      var sample = ContainerStatistics.Sample()
      sample.id = String(repeating: "\(index % 10)", count: 64)
      sample.name = "container-\(index)"
      var figures = StatisticsFigures(sample, before: nil)
      figures.cpuPercent = cpu
      (figures.memory, figures.memoryLimit) = (1 << 20, 4 << 20)
      return figures
    }
  }

  @Test func `a course rises with the values and is full at one processor`() {
    #expect(StatisticsScreen.course([0, 50, 100], width: 5) == "  ▁▅█")
    #expect(StatisticsScreen.course([100, 400], width: 2) == "▃█")
    #expect(StatisticsScreen.course([1, 2, 3], width: 2).count == 2)
    #expect(StatisticsScreen.course([], width: 3) == "   ")
  }

  @Test func `a bar has steps of an eighth`() {
    #expect(StatisticsScreen.bar(0, width: 4) == "[    ]")
    #expect(StatisticsScreen.bar(0.5, width: 4) == "[██  ]")
    #expect(StatisticsScreen.bar(0.53, width: 4) == "[██▏ ]")
    #expect(StatisticsScreen.bar(7, width: 4) == "[████]")
  }

  @Test(arguments: [40, 80, 100, 132, 200])
  func `the table fits the window, whatever its size`(columns: Int) {
    var screen = StatisticsScreen(full: false)
    let all = figures(30)
    screen.add(all)
    let size = TerminalSize(rows: 12, columns: UInt16(columns))
    let lines = screen.lines(all, in: size)
    // The heading, nine containers and how many more there are, with the cursor below.
    #expect(lines.count == 11)
    #expect(lines.allSatisfy { $0.count <= columns })
    #expect(lines.last == "… 21 more")
    #expect(lines[0].hasPrefix(columns >= 100 ? "CONTAINER ID  NAME" : "NAME"))
    // Nothing is cut off where people work.
    #expect(lines[1].hasSuffix("…") == (columns < 80))
    #expect(lines[1].contains("▅") == (columns >= 100))
    #expect(screen.lines(figures(10), in: size).count == 11)
  }

  @Test func `columns stand below their headings and still`() {
    var screen = StatisticsScreen(full: false)
    let size = TerminalSize(rows: 30, columns: 200)
    let calm = figures(2, cpu: 1)
    screen.add(calm)
    let first = screen.lines(calm, in: size)
    let busy = figures(2, cpu: 100)
    screen.add(busy)
    let second = screen.lines(busy, in: size)
    #expect(first[0] == second[0])
  }

  @Test func `a frame is drawn over the last one`() {
    #expect(StatisticsScreen.frame(["a", "b"]) == "\u{1b}[Ha\u{1b}[K\nb\u{1b}[K\n\u{1b}[J")
  }

  @Test(arguments: [("80", "80/tcp"), ("53/udp", "53/udp"), ("1/SCTP", "1/sctp")])
  func `a port has a protocol`(text: String, normal: String) throws {
    #expect(try PortCommand.normalize(text) == normal)
  }

  @Test(arguments: ["", "x", "0", "65536", "80/icmp", "80/"])
  func `what is no port is refused`(text: String) {
    #expect(thrownBy { () throws(Failure) in _ = try PortCommand.normalize(text) } != nil)
  }

  @Test func `an explanation is wrapped and what a container prints drives no terminal`() {
    var explanation = Explanation(
      name: "web", headline: "web ended: \(String(repeating: "word ", count: 30))")
    explanation.output = ["red \u{1b}[31m", String(repeating: "x", count: 200)]
    explanation.advice = ["do something"]
    let text = ExplanationText(explanation, width: 60, isBold: false).text
    #expect(text.split(separator: "\n").allSatisfy { $0.count <= 60 })
    #expect(!text.contains("\u{1b}"))
    #expect(text.contains("red \\x1b[31m"))
    #expect(text.contains("What to do\n  - do something\n"))
    #expect(ExplanationText(explanation, width: 60, isBold: true).text.hasPrefix("\u{1b}[1mweb"))
  }
}
