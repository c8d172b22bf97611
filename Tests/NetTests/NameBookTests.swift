import Linux
import TestSupport
import Testing

@testable import Net

@Suite("Names of containers on networks")
struct NameBookTests {
  private let folder: TemporaryDirectory
  private let book: NameBook

  init() throws {
    folder = try TemporaryDirectory()
    book = NameBook(folder: folder.path + "/names")
  }

  private func enter(
    _ owner: String, _ names: [String], _ addresses: [String], on network: String = "back"
  ) throws {
    try book.add(
      owner: owner, network: network, names: names, addresses: addresses, isInternal: false)
  }

  @Test("A name leads to its addresses and back, until it is taken back")
  func roundTrip() throws {
    try enter("c1", ["Web", "www"], ["10.1.0.2", "fd00::2"])
    let found = book.addresses(of: "web", on: "back")
    #expect(found.map(\.owner) == ["c1"])
    #expect(found.first?.addresses.map(\.count) == [4, 16])
    #expect(book.name(of: [10, 1, 0, 2], on: "back")?.name == "web")
    #expect(book.addresses(of: "web", on: "front").isEmpty)
    try book.remove(owner: "c1")
    #expect(book.addresses(of: "www", on: "back").isEmpty)
    #expect(book.name(of: [10, 1, 0, 2], on: "back") == nil)
    #expect(book.owners.isEmpty)
  }

  @Test("Several containers share an alias, and each takes back its own")
  func sharedAlias() throws {
    try enter("c1", ["one", "db"], ["10.1.0.2"])
    try enter("c2", ["two", "db"], ["10.1.0.3"])
    #expect(book.addresses(of: "db", on: "back").count == 2)
    try book.remove(owner: "c1", network: "back")
    #expect(book.addresses(of: "db", on: "back").map(\.owner) == ["c2"])
  }

  @Test("What is entered again replaces what was there")
  func again() throws {
    try enter("c1", ["web", "old"], ["10.1.0.2"])
    try enter("c1", ["web"], ["10.1.0.9"])
    #expect(book.addresses(of: "old", on: "back").isEmpty)
    #expect(book.addresses(of: "web", on: "back").first?.addresses == [[10, 1, 0, 9]])
    #expect(book.name(of: [10, 1, 0, 2], on: "back") == nil)
  }

  @Test("An address that has gone to somebody else is not taken from him")
  func reusedAddress() throws {
    try enter("c1", ["web"], ["10.1.0.2"])
    try enter("c2", ["db"], ["10.1.0.2"])
    try book.remove(owner: "c1")
    #expect(book.name(of: [10, 1, 0, 2], on: "back")?.owner == "c2")
  }

  @Test("Names that are paths, or too long to ask for, lead nowhere", arguments: ["..", "a/b", ""])
  func badNames(_ name: String) throws {
    try enter("c1", ["web", name, String(repeating: "x", count: 64)], ["10.1.0.2"])
    #expect(book.networks(of: "c1").first?.names == ["web"])
    #expect(throws: Failure.self) { try NameBook.checked(name) }
    #expect(book.addresses(of: name, on: "back").isEmpty)
  }

  @Test("Owners and networks that are paths are refused")
  func badIds() {
    #expect(throws: Failure.self) { try enter("../x", ["web"], []) }
    #expect(throws: Failure.self) { try enter("c1", ["web"], [], on: "..") }
  }
}
