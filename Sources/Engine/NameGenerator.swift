/// Names for containers that get none: an adjective and someone who made computing what it is.
enum NameGenerator {
  static let adjectives = [
    "able", "agile", "amber", "bold", "brave", "bright", "brisk", "calm", "clear", "clever",
    "cosmic", "crisp", "curious", "daring", "deft", "eager", "early", "fair", "fancy", "fast",
    "fluent", "free", "gentle", "gifted", "glad", "golden", "grand", "happy", "humble", "jolly",
    "keen", "kind", "lively", "loyal", "lucid", "lucky", "mellow", "merry", "modest", "neat",
    "nimble", "noble", "patient", "placid", "polite", "proud", "quick", "quiet", "rapid", "ready",
    "serene", "sharp", "silent", "smart", "solid", "steady", "sunny", "swift", "tidy", "vivid",
    "warm", "wise", "witty", "zesty",
  ]

  static let people = [
    "allen", "babbage", "backus", "bartik", "berners", "boole", "borg", "brooks", "cerf", "church",
    "clarke", "cocke", "conway", "corbato", "cray", "dijkstra", "easley", "eckert", "engelbart",
    "estrin", "feinler", "floyd", "goldberg", "goldwasser", "gray", "hamilton", "hamming", "hoare",
    "holberton", "hopper", "johnson", "joy", "kahan", "kay", "keller", "kernighan", "knuth",
    "lamarr", "lamport", "liskov", "lovelace", "mcilroy", "meltzer", "milner", "minsky", "moore",
    "naur", "neumann", "noether", "perlis", "perlman", "ritchie", "rivest", "sammet", "shamir",
    "shannon", "spaerck", "stallman", "sutherland", "tarjan", "thompson", "torvalds", "turing",
    "wilkes", "wing", "wirth", "yao", "zuse",
  ]

  /// A random name; later attempts get a number, so that some name is always free.
  static func name(attempt: Int) -> String {
    let pair = "\(adjectives.randomElement()!)_\(people.randomElement()!)"
    return attempt < 20 ? pair : pair + String(Int.random(in: 0..<1_000_000))
  }
}
