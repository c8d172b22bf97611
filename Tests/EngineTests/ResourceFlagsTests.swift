import Linux
import Runtime
import Testing

@testable import Engine

@Suite struct ResourceFlagsTests {
  private func resources(
    swap: Bool = true, _ change: (inout ResourceFlags) -> Void
  ) throws(Failure) -> Resources {
    var flags = ResourceFlags()
    change(&flags)
    return try flags.resources(swapIsLimitable: swap)
  }

  private func isRefused(_ change: (inout ResourceFlags) -> Void) -> Bool {
    thrownBy { () throws(Failure) in _ = try resources(change) }?.code == .invalid
  }

  @Test func `no flags, and docker's zeros, are no limits`() throws {
    #expect(try resources { _ in } == Resources())
    #expect(try resources { $0.memory = "0" } == Resources())
    #expect(try resources { $0.cpus = "0" } == Resources())
    #expect(try resources { $0.cpuShares = 0 } == Resources())
    #expect(try resources { $0.blkioWeight = 0 } == Resources())
    #expect(try resources { $0.memoryReservation = "0" } == Resources())
    #expect(try resources { $0.memorySwap = "-1" } == Resources())
    #expect(try resources { $0.pidsLimit = 0 }.pids?.limit == -1)
    #expect(try resources { $0.pidsLimit = -1 }.pids?.limit == -1)
  }

  @Test func `memory and swap together are twice the memory unless said otherwise`() throws {
    #expect(try resources { $0.memory = "64m" }.memory?.swap == 128 << 20)
    #expect(try resources(swap: false) { $0.memory = "64m" }.memory?.swap == nil)
    let both = try resources(swap: false) {
      $0.memory = "64m"
      $0.memorySwap = "96m"
    }
    #expect(both.memory?.swap == 96 << 20)
    let unlimited = try resources {
      $0.memory = "64m"
      $0.memorySwap = "-1"
    }
    #expect(unlimited.memory?.swap == -1)
    let zero = try resources {
      $0.memory = "64m"
      $0.memorySwap = "0"
    }
    #expect(zero.memory?.swap == 128 << 20)
    #expect(try resources { $0.memory = "7000p" }.memory?.swap == .max)
  }

  @Test func `processors become a quota of a tenth of a second`() throws {
    for (text, quota) in [
      ("1", Int64(100_000)), ("0.5", 50_000), ("0.29", 29_000), ("0.57", 57_000),
      ("0.01", 1000),
    ] {
      let cpu = try resources { $0.cpus = text }.cpu
      #expect(cpu?.quota == quota, "\(text)")
      #expect(cpu?.period == 100_000)
    }
    #expect(try resources { $0.cpuQuota = -1 }.cpu?.quota == -1)
    #expect(try resources { $0.cpusetCPUs = "0-1" }.cpu?.cpus == "0-1")
    #expect(try resources { $0.pidsLimit = 5 }.pids?.limit == 5)
    #expect(try resources { $0.blkioWeight = 10 }.blockIO?.weight == 10)
  }

  @Test func `limits that cannot be are errors`() {
    #expect(isRefused { $0.memory = "5m" })
    #expect(isRefused { $0.memory = "lots" })
    #expect(isRefused { $0.memorySwap = "64m" })
    #expect(
      isRefused {
        $0.memory = "64m"
        $0.memorySwap = "32m"
      })
    #expect(
      isRefused {
        $0.memory = "64m"
        $0.memoryReservation = "65m"
      })
    for text in ["", "x", "-1", "0.001", "nan", "inf", "1e99"] {
      #expect(isRefused { $0.cpus = text }, "\(text)")
    }
    #expect(
      isRefused {
        $0.cpus = "1"
        $0.cpuQuota = 5
      })
    #expect(isRefused { $0.blkioWeight = 9 })
    #expect(isRefused { $0.blkioWeight = 1001 })
  }
}
