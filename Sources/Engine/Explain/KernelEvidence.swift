import Linux
import Runtime

/// What the kernel's log says about a container's processes.
enum KernelEvidence {
  /// Whether a message may matter to any container.
  static func isTelling(_ text: String) -> Bool {
    text.contains("type=1326 ") || text.contains("oom-kill:") || text.contains("Killed process ")
      || text.contains(" segfault at ") || text.contains("traps: ")
  }

  /// A process that was killed for want of memory.
  struct MemoryKill: Equatable {
    var pid: Int32
    var command: String
    /// KiB that it had for itself (anon-rss); 0 when not told.
    var kibibytes: UInt64
    /// Whether a limit was reached; otherwise the host had no memory left.
    var isLimit: Bool
  }

  /// The last kill in a container's cgroup (mm/oom_kill.c: dump_global_header, __oom_kill_process).
  static func memoryKill(_ lines: [KernelLog.Line], id: String) -> MemoryKill? {
    var found: MemoryKill?
    for line in lines {
      if line.text.contains("oom-kill:"), let group = value("task_memcg=", in: line.text),
        group.contains(id)
      {
        let pid = value(",pid=", in: line.text).flatMap { Int32($0) } ?? 0
        found = MemoryKill(
          pid: pid, command: String(value(",task=", in: line.text) ?? ""), kibibytes: 0,
          isLimit: !line.text.contains("CONSTRAINT_NONE"))
      } else if let pid = found?.pid, line.text.contains("Killed process \(pid) ") {
        found?.kibibytes =
          value("anon-rss:", in: line.text).flatMap { text in
            UInt64(text.prefix { $0.isASCII && $0.isNumber })
          } ?? 0
      }
    }
    return found
  }

  /// A system call that a filter has refused.
  struct RefusedCall: Equatable {
    /// "ptrace", or "number 101".
    var call: String
    /// The program that made it.
    var command: String
  }

  /// The last refusal by a filter that killed (kernel/auditsc.c: audit_seccomp), of the container's first
  /// process or of a program of this name.
  static func refusedCall(
    _ lines: [KernelLog.Line], pid: Int32, command: String
  ) -> RefusedCall? {
    // The kernel cuts names to 15 bytes.
    let wanted = String(decoding: command.utf8.prefix(15), as: UTF8.self)
    for line in lines.reversed() where line.text.contains("type=1326 ") {
      guard value(" sig=", in: line.text) != "0" else { continue }
      let name = value(" comm=", in: line.text).map { $0.filter { $0 != "\"" } } ?? ""
      let number = value(" pid=", in: line.text).flatMap { Int32($0) }
      guard number == pid || (!wanted.isEmpty && name == wanted) else { continue }
      guard let call = value(" syscall=", in: line.text).flatMap({ Int32($0) }) else { continue }
      let architecture = value(" arch=", in: line.text).flatMap { UInt32($0, radix: 16) } ?? 0
      return RefusedCall(
        call: SeccompNames.name(call: call, architecture: architecture) ?? "number \(call)",
        command: name)
    }
    return nil
  }

  /// What the kernel said of a fault of the container's first process: "segfault at 0 ip …".
  static func fault(_ lines: [KernelLog.Line], pid: Int32) -> String? {
    guard pid > 0 else { return nil }
    for line in lines.reversed() {
      guard let place = line.text.range(of: "[\(pid)]") else { continue }
      let text = line.text[place.upperBound...].drop { $0 == ":" || $0 == " " }
      if text.hasPrefix("segfault") || line.text.hasPrefix("traps: ") { return String(text) }
    }
    return nil
  }

  // What follows a key, up to the next comma, space or end.
  private static func value(_ key: String, in text: String) -> Substring? {
    guard let place = text.range(of: key) else { return nil }
    return text[place.upperBound...].prefix { $0 != "," && $0 != " " }
  }
}

extension String {
  /// Where a text stands first.
  fileprivate func range(of text: String) -> Range<Index>? {
    var start = startIndex
    while start < endIndex {
      if self[start...].hasPrefix(text) {
        return start..<index(start, offsetBy: text.count)
      }
      start = index(after: start)
    }
    return nil
  }
}
