import Linux
import Runtime

/// `events`: figures as runc prints them, a document on each line.
enum OCIEvents {
  static func run(
    _ words: ArraySlice<String>, _ context: OCIMain.Context
  ) throws(Failure) -> Int32 {
    let words = try OCIWords(words, verb: "events", flags: ["stats"], options: ["interval"])
    let id = try words.container()
    let lifecycle = BundleLifecycle(context.store)
    var figures = try lifecycle.statistics(id)
    Console.print(BundleEvents.statistics(id, figures).compact)
    if words.has("stats") { return 0 }
    let interval = try seconds(words["interval"] ?? "5s")
    var kills = figures.oomKills
    while true {
      // Until the container ends; a kill for want of memory is told when it is seen.
      for _ in 0..<(interval * 10) {
        pause(microseconds: 100_000)
        guard let now = try? lifecycle.statistics(id) else { return 0 }
        figures = now
        if figures.oomKills > kills {
          kills = figures.oomKills
          Console.print(BundleEvents.event("oom", id).compact)
        }
      }
      Console.print(BundleEvents.statistics(id, figures).compact)
    }
  }

  // "5s", "1m", or a number of seconds.
  private static func seconds(_ text: String) throws(Failure) -> Int {
    let units: [Character: Int] = ["s": 1, "m": 60, "h": 3600]
    if let number = Int(text), (1...86400).contains(number) { return number }
    if let last = text.last, let unit = units[last], let number = Int(text.dropLast()),
      (1...86400).contains(number)
    {
      return number * unit
    }
    throw Failure(
      .invalid, "use", "--interval \(text)", reason: "it is no time of a second or more",
      remedy: "write it like 5s")
  }
}
