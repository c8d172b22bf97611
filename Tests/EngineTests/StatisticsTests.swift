import Linux
import Runtime
import Testing

@testable import Engine

@Suite struct StatisticsTests {
  private func sample(
    cpu: UInt64, at moment: UInt64, start: UInt64 = 1
  ) -> ContainerStatistics.Sample {
    var sample = ContainerStatistics.Sample()
    (sample.id, sample.name, sample.label) = (String(repeating: "a", count: 64), "web", "web")
    sample.moment = moment
    var usage = ContainerStatistics.Usage()
    usage.process = ProcessIdentity(pid: 5, startTime: start)
    usage.group.cpuUsage = cpu
    usage.group.memoryUsage = 3 << 20
    usage.group.inactiveFile = 1 << 20
    usage.group.pids = 4
    usage.group.ioReadBytes = 1_500_000
    usage.memoryLimit = 16 << 20
    (usage.received, usage.sent) = (1200, 90)
    sample.usage = usage
    return sample
  }

  @Test func `a hundred percent is one processor busy all the time`() {
    let first = sample(cpu: 1_000_000_000, at: 10_000_000_000)
    let half = sample(cpu: 1_100_000_000, at: 10_200_000_000)
    let two = sample(cpu: 1_500_000_000, at: 10_300_000_000)
    #expect(StatisticsFigures(half, before: first).cpuPercent == 50)
    #expect(StatisticsFigures(two, before: half).cpuPercent == 400)
    #expect(StatisticsFigures(first, before: nil).cpuPercent == 0)
  }

  @Test func `a restart begins anew`() {
    let before = sample(cpu: 9, at: 10)
    let other = sample(cpu: 500, at: 20, start: 2)
    #expect(StatisticsFigures(other, before: before).cpuPercent == 0)
    #expect(StatisticsFigures(sample(cpu: 5, at: 20), before: before).cpuPercent == 0)
  }

  @Test func `the document has docker's fields and forms`() {
    let figures = StatisticsFigures(sample(cpu: 1, at: 1), before: nil)
    #expect(
      figures.document(full: false).compact
        == #"{"BlockIO":"1.5MB / 0B","CPUPerc":"0.00%","Container":"web","ID":"aaaaaaaaaaaa","#
        + #""MemPerc":"12.50%","MemUsage":"2MiB / 16MiB","Name":"web","NetIO":"1.2kB / 90B","#
        + #""PIDs":"4"}"#)
    var gone = ContainerStatistics.Sample()
    gone.name = "old"
    #expect(
      StatisticsFigures(gone, before: nil).document(full: false)["MemUsage"]?.compact
        == #""0B / 0B""#)
  }

  @Test(arguments: [(0, "0.00%"), (0.005, "0.01%"), (9.999, "10.00%"), (123.4, "123.40%")])
  func `percents have two digits`(value: Double, text: String) {
    #expect(StatisticsFigures.percent(value) == text)
  }

  @Test func `network counters leave lo out and take links of any name`() {
    let text = """
      Inter-|   Receive                                                |  Transmit
       face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop
          lo:  999    8 0 0 0 0 0 0      999    8 0 0 0 0 0 0
        eth0: 1216   12 0 0 0 0 0 0       70    1 0 0 0 0 0 0
      eth1.5:1 0 0 0 0 0 0 0 2 0 0 0 0 0 0 0
      """
    #expect(NetworkCounters.total(Array(text.utf8)) == (1217, 72))
    #expect(NetworkCounters.total([]) == (0, 0))
    #expect(NetworkCounters.total(Array("eth0: x y".utf8)) == (0, 0))
  }
}
