import Linux

/// All that `top` shows of a process, from /proc/PID/stat, status and cmdline (proc(5)).
///
/// What a container's process says of itself (its name, its arguments) is text that nobody trusts.
struct ProcessDetails: Equatable {
  var pid: Int32 = 0
  var parent: Int32 = 0
  var group: Int32 = 0
  var session: Int32 = 0
  /// The kernel's number of its terminal; 0 is none.
  var terminal: Int32 = 0
  var state: Character = "?"
  var command = ""
  /// Empty for a kernel thread and a zombie.
  var arguments: [String] = []
  var uid: UInt32 = 0
  var gid: UInt32 = 0
  /// Clock ticks in user mode and in the kernel.
  var cpuTicks: UInt64 = 0
  var priority = 0
  var nice = 0
  var threads = 0
  /// Clock ticks between boot and its start.
  var startTicks: UInt64 = 0
  /// Bytes.
  var virtualSize: UInt64 = 0
  /// Pages.
  var residentPages: UInt64 = 0
  /// The foreground process group of its terminal.
  var foregroundGroup: Int32 = -1
  /// Whether pages of it are locked into memory.
  var hasLockedPages = false

  /// A process that exists; nil when it has just ended.
  init?(pid: Int32) {
    guard let stat = (try? Files.read("/proc/\(pid)/stat", limit: 8192)) ?? nil,
      let status = (try? Files.read("/proc/\(pid)/status", limit: 64 << 10)) ?? nil
    else { return nil }
    let line = (try? Files.read("/proc/\(pid)/cmdline", limit: 4 << 20)) ?? nil
    self.init(stat: stat, status: status, commandLine: line ?? [])
  }

  /// From the files' contents.
  init?(stat: [UInt8], status: [UInt8], commandLine: [UInt8]) {
    // The name may hold anything, parentheses and spaces too: it ends at the last one.
    guard let open = stat.firstIndex(of: UInt8(ascii: "(")),
      let close = stat.lastIndex(of: UInt8(ascii: ")")), open < close,
      let pid = Int32(String(decoding: stat[..<open], as: UTF8.self).trimmed)
    else { return nil }
    let fields = stat[(close + 1)...].split { $0 <= 32 }.map {
      String(decoding: $0, as: UTF8.self)
    }
    guard fields.count > 21 else { return nil }
    func number<Integer: FixedWidthInteger>(_ index: Int) -> Integer {
      // Fields are counted from 1 in proc(5), and the state is the third.
      Integer(fields[index - 3]) ?? 0
    }
    self.pid = pid
    command = String(decoding: stat[(open + 1)..<close], as: UTF8.self)
    state = fields[0].first ?? "?"
    parent = number(4)
    group = number(5)
    session = number(6)
    terminal = number(7)
    foregroundGroup = number(8)
    cpuTicks = number(14) as UInt64 &+ number(15)
    priority = number(18)
    nice = number(19)
    threads = number(20)
    startTicks = number(22)
    virtualSize = number(23)
    residentPages = number(24)
    takeStatus(status)
    arguments = commandLine.split(separator: 0, omittingEmptySubsequences: false).map {
      String(decoding: $0, as: UTF8.self)
    }
    if arguments.last == "" { arguments.removeLast() }
  }

  private mutating func takeStatus(_ status: [UInt8]) {
    for line in status.split(separator: UInt8(ascii: "\n")) {
      let words = String(decoding: line, as: UTF8.self).split { $0 == "\t" || $0 == " " }
      // Real, effective, saved and file system ids: ps shows the effective one.
      guard words.count > 1 else { continue }
      switch words[0] {
      case "Uid:": uid = words.count > 2 ? UInt32(words[2]) ?? 0 : 0
      case "Gid:": gid = words.count > 2 ? UInt32(words[2]) ?? 0 : 0
      case "VmLck:": hasLockedPages = words[1] != "0"
      default: continue
      }
    }
  }

  /// The arguments as one line, or the name in brackets where there are none.
  var commandLine: String {
    let text = arguments.joined(separator: " ")
    if text.trimmed.isEmpty { return state == "Z" ? "[\(command)] <defunct>" : "[\(command)]" }
    return text
  }

  /// "Ss+", as ps(1) explains under process state codes.
  var stateCodes: String {
    var text = String(state)
    if nice < 0 { text += "<" }
    if nice > 0 { text += "N" }
    if hasLockedPages { text += "L" }
    if session == pid { text += "s" }
    if threads > 1 { text += "l" }
    if foregroundGroup != -1 && foregroundGroup == group { text += "+" }
    return text
  }

  /// "pts/3", "tty1"; "?" without a terminal.
  var terminalName: String {
    // Documentation/admin-guide/devices.txt; the minor number is in bits 0 to 7 and 20 to 31.
    let number = UInt32(bitPattern: terminal)
    let major = (number >> 8) & 0xfff
    let minor = (number & 0xff) | ((number >> 12) & 0xfff00)
    switch major {
    case 0: return "?"
    case 136...143: return "pts/\((major - 136) * 256 + minor)"
    case 4: return minor < 64 ? "tty\(minor)" : "ttyS\(minor - 64)"
    default: return "\(major):\(minor)"
    }
  }
}

/// Names of the host's users and groups, as ps(1) shows them: from the host's files alone, since no name
/// service of host or image is asked (security row 17).
struct HostNames {
  private var users: [UInt32: String] = [:]
  private var groups: [UInt32: String] = [:]

  init() {
    self.init(
      passwd: (try? Files.read("/etc/passwd")) ?? nil ?? [],
      group: (try? Files.read("/etc/group")) ?? nil ?? [])
  }

  init(passwd: [UInt8], group: [UInt8]) {
    users = HostNames.names(passwd)
    groups = HostNames.names(group)
  }

  private static func names(_ bytes: [UInt8]) -> [UInt32: String] {
    var names: [UInt32: String] = [:]
    for line in bytes.split(separator: UInt8(ascii: "\n")) {
      let fields = line.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
      guard fields.count > 2, let id = UInt32(String(decoding: fields[2], as: UTF8.self)),
        names[id] == nil
      else { continue }
      names[id] = String(decoding: fields[0], as: UTF8.self)
    }
    return names
  }

  func user(_ id: UInt32) -> String { HostNames.short(users[id], id) }
  func group(_ id: UInt32) -> String { HostNames.short(groups[id], id) }

  // As ps: a name that is longer than its column has a plus sign.
  private static func short(_ name: String?, _ id: UInt32) -> String {
    guard let name, !name.isEmpty else { return String(id) }
    return name.count <= 8 ? name : name.prefix(7) + "+"
  }
}
