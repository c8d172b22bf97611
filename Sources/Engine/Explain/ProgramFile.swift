import Linux

/// What the beginning of a file says about how the kernel would execute it.
enum ProgramFile: Equatable {
  /// "#!/bin/sh -e": the interpreter and the one argument. `hasCarriageReturn`: the line ends as on Windows,
  /// which makes the carriage return part of the name.
  case script(interpreter: String, argument: String, hasCarriageReturn: Bool)
  /// An ELF file: its machine (elf.h, EM_*), and the loader it names; nil when it is linked statically.
  case elf(machine: UInt16, loader: String?)
  /// No bytes.
  case empty
  /// Anything else; `isText`: a script without its first line, most likely.
  case unknown(isText: Bool)

  /// - Parameter head: the first 4 KiB or so.
  init(_ head: [UInt8]) {
    if head.isEmpty {
      self = .empty
    } else if head.starts(with: [0x7f, 0x45, 0x4c, 0x46]) {
      self = ProgramFile.elf(head) ?? .unknown(isText: false)
    } else if head.starts(with: Array("#!".utf8)) {
      self = ProgramFile.script(head)
    } else {
      let isText = head.allSatisfy { $0 >= 32 || (9...13).contains($0) || $0 == 27 }
      self = .unknown(isText: isText)
    }
  }

  private static func script(_ head: [UInt8]) -> ProgramFile {
    var line = head.dropFirst(2).prefix { $0 != UInt8(ascii: "\n") }
    let hasCarriageReturn = line.last == 13
    if hasCarriageReturn { line.removeLast() }
    let words = String(decoding: line, as: UTF8.self).trimmed
      .split(maxSplits: 1, whereSeparator: { $0 == " " || $0 == "\t" }).map(String.init)
    return .script(
      interpreter: words.first ?? "", argument: words.count > 1 ? words[1].trimmed : "",
      hasCarriageReturn: hasCarriageReturn)
  }

  private static func elf(_ head: [UInt8]) -> ProgramFile? {
    guard head.count >= 52 else { return nil }
    let isWide = head[4] == 2
    let isLittle = head[5] != 2
    func number(_ offset: Int, _ size: Int) -> UInt64? {
      guard offset >= 0, offset + size <= head.count else { return nil }
      let bytes = head[offset..<(offset + size)]
      return (isLittle ? bytes.reversed() : Array(bytes)).reduce(0) { $0 << 8 | UInt64($1) }
    }
    guard let machine = number(18, 2) else { return nil }
    // e_phoff, e_phentsize, e_phnum; then p_type, p_offset and p_filesz of each program header.
    let headers = isWide ? number(32, 8) : number(28, 4)
    guard let start = headers, let size = number(isWide ? 54 : 42, 2),
      let count = number(isWide ? 56 : 44, 2), start < 1 << 20, size > 0
    else { return .elf(machine: UInt16(machine), loader: nil) }
    for index in 0..<Int(min(count, 128)) {
      let header = Int(start) + index * Int(size)
      guard number(header, 4) == 3 /* PT_INTERP */,
        let offset = number(header + (isWide ? 8 : 4), isWide ? 8 : 4), offset < 1 << 20
      else { continue }
      let text = head.dropFirst(Int(offset)).prefix { $0 != 0 }
      if !text.isEmpty {
        return .elf(machine: UInt16(machine), loader: String(decoding: text, as: UTF8.self))
      }
    }
    return .elf(machine: UInt16(machine), loader: nil)
  }

  /// GOARCH of an ELF machine, or what it is called.
  static func architecture(_ machine: UInt16) -> String {
    switch machine {
    case 3: "386"
    case 8: "mips"
    case 20: "ppc"
    case 21: "ppc64le"
    case 22: "s390x"
    case 40: "arm"
    case 62: "amd64"
    case 183: "arm64"
    case 243: "riscv64"
    case 258: "loong64"
    default: "ELF machine \(machine)"
    }
  }

  /// Whether this host's kernel executes programs of a machine without help.
  static func runsHere(_ machine: UInt16) -> Bool {
    switch HostPlatform.architecture {
    case "amd64": machine == 62 || machine == 3
    case "arm64": machine == 183 || machine == 40
    default: true
    }
  }
}

/// Names that somebody may have meant.
enum NearMiss {
  /// At most `limit` of the names, nearest first: few letters changed, added, left out or exchanged, or a
  /// version number at the end.
  static func of(_ name: String, among names: [String], limit: Int = 3) -> [String] {
    let wanted = Array(name.lowercased())
    let most = wanted.count <= 3 ? 1 : 2
    var found: [(distance: Int, name: String)] = []
    for candidate in Set(names) where candidate != name {
      let letters = Array(candidate.lowercased())
      let tail = letters.dropFirst(wanted.count)
      if wanted.count >= 2, letters.starts(with: wanted),
        tail.allSatisfy({ $0.isNumber || $0 == "." || $0 == "-" })
      {
        found.append((0, candidate))
        continue
      }
      guard abs(letters.count - wanted.count) <= most else { continue }
      let distance = distance(wanted, letters)
      if distance <= most && distance < wanted.count { found.append((distance, candidate)) }
    }
    return found.sorted { ($0.distance, $0.name) < ($1.distance, $1.name) }.prefix(limit).map(
      \.name)
  }

  /// Edits that turn one word into the other, two neighbours exchanged being one (optimal string alignment).
  static func distance(_ a: [Character], _ b: [Character]) -> Int {
    var rows = [[Int]](repeating: [Int](repeating: 0, count: b.count + 1), count: a.count + 1)
    for i in 0...a.count { rows[i][0] = i }
    for j in 0...b.count { rows[0][j] = j }
    guard !a.isEmpty, !b.isEmpty else { return max(a.count, b.count) }
    for i in 1...a.count {
      for j in 1...b.count {
        var best = min(rows[i - 1][j], rows[i][j - 1]) + 1
        best = min(best, rows[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1))
        if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
          best = min(best, rows[i - 2][j - 2] + 1)
        }
        rows[i][j] = best
      }
    }
    return rows[a.count][b.count]
  }
}
