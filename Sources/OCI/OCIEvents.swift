import Linux
import Runtime

/// `events`: figures as runc prints them, a document on each line.
enum OCIEvents {
  static func run(
    _ words: ArraySlice<String>, _ context: OCIMain.Context
  ) throws(Failure) -> Int32 {
    let words = try OCIWords(words, verb: "events", flags: ["stats"], options: ["interval"])
    let id = try words.container()
    let interval = try microseconds(words["interval"] ?? "5s")
    let lifecycle = BundleLifecycle(context.store)
    Console.print(try lifecycle.statistics(id).compact)
    if words.has("stats") { return 0 }
    var kills = lifecycle.life(id).oomKills
    var waited: UInt64 = 0
    // Until the container ends; a kill for want of memory is told when it is seen.
    while true {
      let step = min(100_000, interval - waited)
      pause(microseconds: UInt32(step))
      waited += step
      let life = lifecycle.life(id)
      if life.oomKills > kills { Console.print(BundleEvents.event("oom", id).compact) }
      kills = max(kills, life.oomKills)
      guard life.isAlive else { return 0 }
      guard waited >= interval else { continue }
      waited = 0
      guard let document = try? lifecycle.statistics(id) else { return 0 }
      Console.print(document.compact)
    }
  }

  // As Go writes durations, "1m30s" or "500ms"; a number alone is of seconds.
  private static func microseconds(_ text: String) throws(Failure) -> UInt64 {
    let units = ["ns": 1e-3, "us": 1, "\u{b5}s": 1, "ms": 1e3, "s": 1e6, "m": 6e7, "h": 3.6e9]
    var total = 0.0
    var rest = Substring(text)
    while !rest.isEmpty {
      let number = rest.prefix { $0.isNumber || $0 == "." }
      rest = rest.dropFirst(number.count)
      let unit = rest.prefix { !$0.isNumber && $0 != "." }
      rest = rest.dropFirst(unit.count)
      let isSeconds = unit.isEmpty && number.count == text.count
      guard let value = Double(number), let factor = units[isSeconds ? "s" : String(unit)] else {
        throw wrong(text)
      }
      total += value * factor
    }
    let day = 8.64e10
    guard (1...day).contains(total) else { throw wrong(text) }
    return UInt64(total)
  }

  private static func wrong(_ text: String) -> Failure {
    Failure(
      .invalid, "use", "--interval \(text)", reason: "it is no time from 1us to 24h",
      remedy: "write it like 5s")
  }
}
