import Linux
import TestSupport
import Testing

@testable import Net

@Suite("Address leases")
struct LeaseBookTests {
  private let directory: TemporaryDirectory
  private let book: LeaseBook

  init() throws {
    directory = try TemporaryDirectory("leases")
    book = LeaseBook(folder: directory.file("bridge"))
  }

  private func lease(
    _ owner: String, _ subnet: String, alive: (String) -> Bool = { _ in true }
  ) throws -> IPv4Address {
    try book.lease(owner: owner, in: try Subnet(parsing: subnet), isAlive: alive)
  }

  private func held() throws -> [String: String] {
    var held: [String: String] = [:]
    for name in try Files.list(book.folder + "/by-address") {
      held[name] = SymbolicLinks.read(book.folder + "/by-address/" + name)
    }
    return held
  }

  @Test("A lease is never the network's, the gateway's or the broadcast address")
  func edges() throws {
    let addresses = try (1...5).map { try lease("c\($0)", "10.0.0.0/29").description }
    #expect(Set(addresses) == Set((2...6).map { "10.0.0.\($0)" }))
  }

  @Test("An owner keeps its address until it is released")
  func sticky() throws {
    let first = try lease("a", "10.0.0.0/16")
    #expect(try lease("a", "10.0.0.0/16") == first)
    #expect(try held() == [first.description: "a"])
    try book.release(owner: "a")
    #expect(try held().isEmpty)
    #expect(try Files.list(book.folder + "/by-owner").isEmpty)
    try book.release(owner: "a")
    #expect(try lease("a", "10.0.0.0/16") == first)
  }

  @Test("An owner of an address in another subnet gets one in this")
  func moved() throws {
    let old = try lease("a", "10.0.0.0/24")
    let new = try lease("a", "10.1.0.0/24")
    #expect(old != new)
    #expect(try held() == [new.description: "a"])
  }

  @Test("When all addresses are leased the failure names the subnet and their number")
  func exhausted() throws {
    for number in 1...5 { _ = try lease("c\(number)", "10.0.0.0/29") }
    let failure = #expect(throws: Failure.self) { try lease("c6", "10.0.0.0/29") }
    #expect(failure?.code == .refused)
    #expect(
      failure?.description
        == "lease address in 10.0.0.0/29: all 5 addresses are taken (5 leases); remove containers")
    #expect(throws: Failure.self) { try lease("c6", "10.0.0.0/31") }
    #expect(try held().count == 5)
  }

  @Test("Addresses of dead owners are taken back, and only theirs")
  func reclaimed() throws {
    for number in 1...5 { _ = try lease("c\(number)", "10.0.0.0/29") }
    let address = try #require(try held().first { $0.value == "c3" }?.key)
    #expect(try lease("c6", "10.0.0.0/29", alive: { $0 != "c3" }).description == address)
    #expect(try held()[address] == "c6")
    #expect(try Files.list(book.folder + "/by-owner").sorted() == ["c1", "c2", "c4", "c5", "c6"])
    // The one that died comes late to clean up: it must not take the successor's address away.
    try book.release(owner: "c3")
    #expect(try held()[address] == "c6")
  }

  @Test("What is left by a crash between two steps is healed")
  func crashed() throws {
    _ = try lease("other", "10.0.0.0/16")
    // Killed after naming the address and before taking it.
    #expect(try SymbolicLinks.claim(book.folder + "/by-owner/a", "10.0.0.9"))
    #expect(try lease("a", "10.0.0.0/16").description == "10.0.0.9")
    // Killed likewise, and somebody else has taken it since.
    #expect(try SymbolicLinks.claim(book.folder + "/by-owner/b", "10.0.0.9"))
    #expect(try lease("b", "10.0.0.0/16").description != "10.0.0.9")
    #expect(try held()["10.0.0.9"] == "a")
    // Killed while releasing.
    #expect(try SymbolicLinks.claim(book.folder + "/by-owner/c", "10.0.0.9"))
    try book.release(owner: "c")
    #expect(try held()["10.0.0.9"] == "a")
    // Not ours at all.
    #expect(try SymbolicLinks.claim(book.folder + "/by-owner/d", "nonsense"))
    #expect(try held().values.contains("d") == false)
    _ = try lease("d", "10.0.0.0/16")
    #expect(try held().values.contains("d"))
  }

  @Test(
    "An id that is no file name is refused",
    arguments: [
      "", ".", "..", "../x", "a/b", "-a", "a b", "a\n", "ä", String(repeating: "a", count: 129),
    ]
  )
  func sec34_owner(_ owner: String) {
    for attempt in [{ _ = try lease(owner, "10.0.0.0/16") }, { try book.release(owner: owner) }] {
      let failure = #expect(throws: Failure.self) { try attempt() }
      #expect(failure?.code == .invalid)
    }
    #expect(!Files.exists(book.folder))
  }

  @Test("1,000 parallel starts never get the same address twice")
  func parallel() throws {
    let (book, subnet) = (book, try Subnet(parsing: "10.0.0.0/22"))  // 1,021 addresses
    let failures = onThreads(50) { thread in
      for number in 0..<20 {
        _ = try book.lease(owner: "c\(thread)-\(number)", in: subnet) { _ in true }
      }
    }
    #expect(failures == [])
    let held = try held()
    #expect(held.count == 1000)
    #expect(Set(held.values).count == 1000)
    for (address, owner) in held {
      #expect(SymbolicLinks.read(book.folder + "/by-owner/" + owner) == address)
    }
  }

  @Test("Owners that come, die and go in parallel never share an address")
  func churn() throws {
    let (book, subnet) = (book, try Subnet(parsing: "10.0.0.0/27"))  // 29 addresses, 24 in use
    let failures = onThreads(24) { thread in
      for round in 0..<60 {
        let owner = "t\(thread)-\(round)"
        let address = try book.lease(owner: owner, in: subnet) { !$0.hasSuffix("-dead") }
        let mark = book.folder + "/mark-\(address)"
        if try !SymbolicLinks.claim(mark, owner) {
          throw Failure(.inUse, "use", "\(address)", reason: "two owners have it")
        }
        try Files.remove(mark)
        try book.release(owner: owner)
        // Every other time one more is killed and never released: far more than there is room for.
        if round % 2 == 1 {
          let corpse = "t\(thread)-\(round)-dead"
          _ = try book.lease(owner: corpse, in: subnet) { !$0.hasSuffix("-dead") }
        }
      }
    }
    #expect(failures == [])
  }
}
