import Glibc
import Linux
import TestSupport
import Testing

@Suite("Memory that two processes share")
struct SharedRingTests {
  /// More than there are slots, so that each is used several times.
  @Test func whatOneProcessMakesTheOtherOneGetsInOrder() async {
    await #expect(processExitsWith: .success) {
      do {
        let ring = try SharedRing()
        var consumer = ring.consumer
        let producer = ring.producer
        let child = try Processes.forkHelper { _ in
          var producer = producer
          do throws(Failure) {
            for number in 0..<100 {
              let space = try producer.space()
              for index in 0..<1000 { space[index] = UInt8((number + index) & 255) }
              try producer.give(kind: 7, count: number * 10, number: Int64(number))
            }
            return 0
          } catch { return 1 }
        }
        for number in 0..<100 {
          guard let (record, bytes) = try consumer.next() else { exit(1) }
          #expect(record.kind == 7 && record.number == Int64(number))
          #expect(bytes.count == number * 10)
          #expect(bytes.enumerated().allSatisfy { $1 == UInt8((number + $0) & 255) })
        }
        #expect(try Processes.wait(pidfd: child.handle) == .exited(0))
        _ = consume ring
      } catch { Issue.record("\(error)") }
    }
  }

  @Test func theEndOfEitherSideIsSeenByTheOther() async {
    await #expect(processExitsWith: .success) {
      do {
        ThisProcess.handle(Signal.pipe, ignoring: true)
        // The consumer ends: the producer runs into EPIPE instead of waiting for room for ever.
        let ring = try SharedRing()
        let producer = ring.producer
        let kept = ring.producerDescriptors
        let child = try Processes.forkHelper { _ in
          var producer = producer
          do throws(Failure) {
            try Confinement.keepOnly(kept)
            while true {
              _ = try producer.space()
              try producer.give(kind: 1, count: 1, number: 0)
            }
          } catch { return error.errno == ErrorNumber.brokenPipe ? 42 : 1 }
        }
        var consumer = ring.consumer
        #expect(try consumer.next() != nil)
        _ = consume ring
        #expect(try Processes.wait(pidfd: child.handle) == .exited(42))

        // The producer ends: the consumer hears of the end.
        let other = try SharedRing()
        let (making, using) = (other.producer, other.consumer)
        let used = other.consumerDescriptors
        let user = try Processes.forkHelper { _ in
          var using = using
          do throws(Failure) {
            try Confinement.keepOnly(used)
            var count = 0
            while try using.next() != nil { count += 1 }
            return Int32(count)
          } catch { return 99 }
        }
        var maker = making
        for _ in 0..<3 {
          _ = try maker.space()
          try maker.give(kind: 1, count: 0, number: 0)
        }
        _ = consume other
        #expect(try Processes.wait(pidfd: user.handle) == .exited(3))
      } catch { Issue.record("\(error)") }
    }
  }
}
