import Linux
import Runtime

/// `state`: the specification's state document, with runc's members.
enum OCIState {
  static func run(
    _ words: ArraySlice<String>, _ context: OCIMain.Context
  ) throws(Failure) -> Int32 {
    let words = try OCIWords(words, verb: "state")
    let record = try context.store.record(try words.container())
    Console.print(record.listing(status: context.store.status(of: record)).pretty)
    return 0
  }
}
