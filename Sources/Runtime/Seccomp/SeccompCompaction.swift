/// Makes a compiled filter shorter without changing what it does.
///
/// libseccomp compares with each call's number by itself; most neighbours share their action, so that a
/// search tree over ranges of numbers has a tenth of the instructions. That counts when a container
/// starts: the kernel checks, compiles and tries out every instruction when the filter is loaded.
///
/// The tree is read off the compiled filter by running it for every number that it compares with. Calls
/// whose action depends on arguments go on to a second filter, compiled from their rules alone.
struct SeccompCompaction {
  /// What a filter says of a number when the arguments are not known.
  enum Outcome: Equatable {
    case action(UInt32)
    case dependsOnArguments
  }

  /// Consecutive numbers with the same outcome, up to the next range's first.
  struct Range: Equatable {
    var first: UInt32
    var outcome: Outcome
  }

  private let program: [Instruction]
  /// The numbers where an outcome can begin.
  private let borders: [UInt32]

  init(_ bytes: [UInt8]) {
    program = Instruction.parse(bytes)
    // Between two neighbours among the constants that it compares with, a program cannot tell numbers
    // apart.
    var borders: Set<UInt32> = [0]
    for step in program where step.isComparison {
      borders.insert(step.constant)
      if step.constant < .max { borders.insert(step.constant + 1) }
    }
    self.borders = borders.sorted()
  }

  /// The ranges of an architecture; nil when the program computes with numbers instead of comparing.
  func ranges(architecture: UInt32) -> [Range]? {
    var ranges: [Range] = []
    for number in borders {
      guard let outcome = outcome(number: number, architecture: architecture) else { return nil }
      if ranges.last?.outcome != outcome { ranges.append(Range(first: number, outcome: outcome)) }
    }
    return ranges
  }

  /// Runs the program for a number; nil for an instruction that is none of a comparison's.
  func outcome(number: UInt32, architecture: UInt32) -> Outcome? {
    var accumulator: UInt32 = 0
    var index = 0
    while index < program.count {
      let step = program[index]
      index += 1
      switch step.code {
      case Instruction.load:
        if step.constant > 4 { return .dependsOnArguments }
        accumulator = step.constant == 0 ? number : architecture
      case Instruction.jump: index += Int(step.constant)
      case Instruction.jumpIfEqual:
        index += Int(accumulator == step.constant ? step.yes : step.no)
      case Instruction.jumpIfGreater:
        index += Int(accumulator > step.constant ? step.yes : step.no)
      case Instruction.jumpIfNotLess:
        index += Int(accumulator >= step.constant ? step.yes : step.no)
      case Instruction.giveBack: return .action(step.constant)
      default: return nil
      }
    }
    return nil
  }

  /// A filter that decides by ranges and leaves the rest to `rules`; nil when a part would be too long for
  /// the jumps of classic BPF.
  static func assemble(
    _ architectures: [(token: UInt32, ranges: [Range])], otherwise: UInt32, rules: [UInt8]
  ) -> [UInt8]? {
    let blocks = architectures.map { Block($0.ranges) }
    guard blocks.allSatisfy({ $0.count < 250 }) else { return nil }
    let length = 1 + blocks.reduce(0) { $0 + $1.count + 1 } + 1
    var steps = [Instruction(code: Instruction.load, constant: 4)]
    for (architecture, block) in zip(architectures, blocks) {
      steps.append(
        Instruction(
          code: Instruction.jumpIfEqual, no: UInt8(block.count), constant: architecture.token))
      steps += block.instructions(rulesAt: length - steps.count)
    }
    steps.append(Instruction(code: Instruction.giveBack, constant: otherwise))
    return steps.flatMap(\.bytes) + rules
  }

  /// The search in one architecture's ranges, followed by a return for each outcome.
  private struct Block {
    private var tree: [Instruction] = []
    private var outcomes: [Outcome] = []
    // Comparisons whose one side ends the search: index, side and outcome.
    private var ends: [(index: Int, isYes: Bool, outcome: Int)] = []

    init(_ ranges: [Range]) {
      for range in ranges where !outcomes.contains(range.outcome) { outcomes.append(range.outcome) }
      if ranges.count > 1 { add(ranges[...]) }
    }

    var count: Int { 1 + tree.count + outcomes.count }

    // The lower half follows its comparison, the upper half comes behind that.
    private mutating func add(_ ranges: ArraySlice<Range>) {
      let middle = ranges.startIndex + (ranges.count + 1) / 2
      let lower = ranges[..<middle]
      let upper = ranges[middle...]
      let index = tree.count
      tree.append(
        Instruction(code: Instruction.jumpIfNotLess, constant: ranges[middle].first))
      if lower.count > 1 { add(lower) } else { end(index, false, lower[lower.startIndex].outcome) }
      if upper.count > 1 {
        tree[index].yes = UInt8(truncatingIfNeeded: tree.count - index - 1)
        add(upper)
      } else {
        end(index, true, upper[upper.startIndex].outcome)
      }
    }

    private mutating func end(_ index: Int, _ isYes: Bool, _ outcome: Outcome) {
      ends.append((index, isYes, outcomes.firstIndex(of: outcome) ?? 0))
    }

    /// - Parameter rulesAt: how far behind the block's first instruction the rules begin.
    func instructions(rulesAt: Int) -> [Instruction] {
      var tree = tree
      for end in ends {
        let distance = UInt8(tree.count - end.index - 1 + end.outcome)
        if end.isYes { tree[end.index].yes = distance } else { tree[end.index].no = distance }
      }
      var steps = [Instruction(code: Instruction.load, constant: 0)] + tree
      for outcome in outcomes {
        switch outcome {
        case .action(let action):
          steps.append(Instruction(code: Instruction.giveBack, constant: action))
        case .dependsOnArguments:
          let distance = rulesAt - steps.count - 1
          steps.append(Instruction(code: Instruction.jump, constant: UInt32(distance)))
        }
      }
      return steps
    }
  }

  /// `struct sock_filter`.
  struct Instruction {
    var code: UInt16
    var yes: UInt8 = 0
    var no: UInt8 = 0
    var constant: UInt32

    static let load: UInt16 = 0x20  // BPF_LD | BPF_W | BPF_ABS
    static let jump: UInt16 = 0x05  // BPF_JMP | BPF_JA
    static let jumpIfEqual: UInt16 = 0x15  // BPF_JMP | BPF_JEQ | BPF_K
    static let jumpIfGreater: UInt16 = 0x25  // BPF_JMP | BPF_JGT | BPF_K
    static let jumpIfNotLess: UInt16 = 0x35  // BPF_JMP | BPF_JGE | BPF_K
    static let giveBack: UInt16 = 0x06  // BPF_RET | BPF_K

    var isComparison: Bool {
      code == Self.jumpIfEqual || code == Self.jumpIfGreater || code == Self.jumpIfNotLess
    }

    var bytes: [UInt8] {
      var result: [UInt8] = []
      withUnsafeBytes(of: code) { result.append(contentsOf: $0) }
      result += [yes, no]
      withUnsafeBytes(of: constant) { result.append(contentsOf: $0) }
      return result
    }

    static func parse(_ bytes: [UInt8]) -> [Instruction] {
      bytes.withUnsafeBytes { raw in
        (0..<(raw.count / 8)).map { index in
          Instruction(
            code: raw.loadUnaligned(fromByteOffset: index * 8, as: UInt16.self),
            yes: raw[index * 8 + 2], no: raw[index * 8 + 3],
            constant: raw.loadUnaligned(fromByteOffset: index * 8 + 4, as: UInt32.self))
        }
      }
    }
  }
}
