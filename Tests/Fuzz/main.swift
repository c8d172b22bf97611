import Linux
import Runtime

// Mutated config.json documents through everything that reads one, until a count is reached: a trap ends the
// program. `swift build -c release --product minidock-fuzz`, then `minidock-fuzz COUNT [SEED] [FILE...]`; each
// million prints a line. The files are further documents to start from.

let words = CommandLine.arguments.dropFirst()
let count = max(words.first.flatMap { Int($0) } ?? 100_000, 1)
var mutator = Mutator(seed: words.dropFirst().first.flatMap { UInt64($0) } ?? 1)
var documents = [false, true].map { Array(BundleTemplate.document(rootless: $0).compact.utf8) }
documents.append(Array(everyField.utf8))
for file in words.dropFirst(2) {
  if let bytes = try Files.read(file, limit: 1 << 20) { documents.append(bytes) }
}
var read = 0
var accepted = 0
for round in 1...count {
  let bytes = mutator.mutate(documents[mutator.next(documents.count)])
  do throws(Failure) {
    let spec = try Bundle.parse(bytes, name: "config.json")
    read += 1
    try Bundle.examine(spec, bundle: "/")
    accepted += 1
  } catch {}
  if round % 1_000_000 == 0 || round == count {
    Console.print("\(round) documents: \(read) read, \(accepted) accepted, none trapped")
  }
}
