import Glibc
import Linux

/// Runs a parser over mutations of a corpus, in this process.
///
/// A trap ends the process: fuzzing belongs into an exit test. The input at hand is kept in a file that
/// outlives it, `fuzz-NAME` in `MINIDOCK_TEST_DIR` or /tmp. The same seed gives the same inputs.
///
/// `MINIDOCK_FUZZ_ROUNDS` is the number of executions of each parser; `MINIDOCK_FUZZ_SEED` another start.
public struct Fuzzing {
  /// How many executions.
  public let rounds: Int
  private var random: SplitMix
  private let corpus: [[UInt8]]
  private let words: [[UInt8]]
  private let slot: UnsafeMutableRawBufferPointer
  private let path: String

  /// - Parameters:
  ///   - name: of the parser.
  ///   - corpus: whole inputs to start from.
  ///   - words: what is worth inserting.
  ///   - rounds: executions unless the environment says how many.
  public init(_ name: String, corpus: [[UInt8]], words: [String] = [], rounds: Int) throws {
    func number(_ name: String) -> Int? {
      getenv(name).flatMap { Int(String(cString: $0)) }
    }
    self.rounds = number("MINIDOCK_FUZZ_ROUNDS") ?? rounds
    random = SplitMix(state: UInt64(number("MINIDOCK_FUZZ_SEED") ?? 1))
    self.corpus = corpus
    self.words = words.map { Array($0.utf8) }
    let folder = getenv("MINIDOCK_TEST_DIR").map { String(cString: $0) } ?? "/tmp"
    path = "\(folder)/fuzz-\(name)"
    let size = 8 + (1 << 20)
    let fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    defer { close(fd) }
    guard fd >= 0, ftruncate(fd, off_t(size)) == 0,
      let space = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), space != MAP_FAILED
    else { throw Failure.last("make", path) }
    slot = UnsafeMutableRawBufferPointer(start: space, count: size)
  }

  /// Runs `body` over all inputs.
  public mutating func run(_ body: ([UInt8]) throws -> Void) rethrows {
    for round in 0..<rounds {
      // The corpus as it is goes first.
      let input = round < corpus.count ? corpus[round] : mutated()
      let kept = min(input.count, slot.count - 8)
      slot.storeBytes(of: UInt64(kept), as: UInt64.self)
      input.withUnsafeBytes {
        UnsafeMutableRawBufferPointer(rebasing: slot[8..<(8 + kept)])
          .copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[..<kept]))
      }
      try body(input)
    }
    munmap(slot.baseAddress, slot.count)
    unlink(path)
  }

  // MARK: - Mutations

  private mutating func below(_ limit: Int) -> Int {
    limit <= 1 ? 0 : Int(random.next() % UInt64(limit))
  }

  private mutating func mutated() -> [UInt8] {
    var bytes = corpus[below(corpus.count)]
    for _ in 0...below(4) { mutate(&bytes) }
    if bytes.count > 1 << 16 { bytes.removeLast(bytes.count - (1 << 16)) }
    return bytes
  }

  private mutating func mutate(_ bytes: inout [UInt8]) {
    guard !bytes.isEmpty else {
      bytes.append(UInt8(truncatingIfNeeded: random.next()))
      return
    }
    let place = below(bytes.count)
    let length = 1 + below(min(64, bytes.count - place))
    switch below(10) {
    case 0: bytes[place] ^= UInt8(1 << below(8))
    case 1: bytes[place] = UInt8(truncatingIfNeeded: random.next())
    case 2: bytes[place] = [0, 0x20, 0x22, 0x2f, 0x3a, 0x7f, 0x80, 0xff, 0x2e, 0x5c][below(10)]
    case 3: bytes.removeSubrange(place..<(place + length))
    case 4: bytes.insert(contentsOf: bytes[place..<(place + length)], at: below(bytes.count))
    case 5: bytes.removeLast(bytes.count - place)
    case 6 where !words.isEmpty: bytes.insert(contentsOf: words[below(words.count)], at: place)
    case 7 where !words.isEmpty:
      let word = words[below(words.count)]
      bytes.replaceSubrange(place..<min(bytes.count, place + word.count), with: word)
    case 8:
      // The rest of another input.
      let other = corpus[below(corpus.count)]
      if !other.isEmpty { bytes.replaceSubrange(place..., with: other[below(other.count)...]) }
    default:
      let digits = ["0", "-1", "7777777", "18446744073709551616", "9223372036854775807", "1e999"]
      bytes.insert(contentsOf: Array(digits[below(digits.count)].utf8), at: place)
    }
  }
}

/// Numbers by Steele's SplitMix64: the same ones for the same start.
struct SplitMix {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}

/// Files of Tests/Corpus/NAME, sorted by name.
public func corpus(_ name: String) throws -> [[UInt8]] {
  let here = #filePath.split(separator: "/").dropLast(2).joined(separator: "/")
  let folder = "/\(here)/Corpus/\(name)"
  return try Files.list(folder).sorted().map { try Files.read("\(folder)/\($0)") ?? [] }
}
