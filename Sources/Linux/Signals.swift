import CLinux
import Glibc

/// Signals by docker's and the kernel's names.
public enum Signals {
  /// Names without "SIG" in the order of their numbers, from 1 (x86-64 and arm64).
  public static let names = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
    "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG",
    "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
  ]

  /// Signals that can be taken and passed on: all but those that cannot be caught, that tell of this
  /// process's own children and pipes, or of faults of its own.
  public static let catchable: [Int32] = (1...31).filter {
    ![
      SIGKILL, SIGSTOP, SIGCHLD, SIGPIPE, SIGURG, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP,
      SIGABRT, SIGSYS, SIGSTKFLT,
    ].contains($0)
  }

  /// The number of "TERM", "SIGTERM", "term", "15" or "RTMIN+3"; nil when there is no such signal.
  public static func number(_ text: String) -> Int32? {
    if let number = Int32(text) { return (1...64).contains(number) ? number : nil }
    var name = text.uppercased()
    if name.hasPrefix("SIG") { name.removeFirst(3) }
    if let index = names.firstIndex(of: name) { return Int32(index + 1) }
    if name == "IOT" { return SIGABRT }
    if name == "POLL" { return SIGIO }
    if name == "CLD" { return SIGCHLD }
    for (base, number, sign) in [("RTMIN", Int32(34), Int32(1)), ("RTMAX", 64, -1)]
    where name.hasPrefix(base) {
      let rest = name.dropFirst(base.count)
      if rest.isEmpty { return number }
      guard rest.hasPrefix(sign > 0 ? "+" : "-"), let offset = Int32(rest),
        (-30...30).contains(offset)
      else { return nil }
      return number + offset
    }
    return nil
  }

  /// "SIGTERM" for 15; "signal 40" where there is no name.
  public static func name(_ number: Int32) -> String {
    number >= 1 && Int(number) <= names.count ? "SIG" + names[Int(number) - 1] : "signal \(number)"
  }
}

/// Blocked signals that are read from a descriptor instead of interrupting (signalfd(2)).
public struct SignalReader: ~Copyable, Sendable {
  /// The descriptor, for poll(2).
  public let descriptor: Descriptor

  /// Blocks `signals` in this process and reads them from now on.
  public init(_ signals: [Int32]) throws(Failure) {
    var mask = sigset_t()
    sigemptyset(&mask)
    for signal in signals { sigaddset(&mask, signal) }
    sigprocmask(SIG_BLOCK, &mask, nil)
    descriptor = Descriptor(owning: try check("create signalfd") { clx_signalfd(&mask) })
  }

  /// Takes over a signalfd, whose signals are blocked already.
  public init(adopting descriptor: consuming Descriptor) { self.descriptor = descriptor }

  /// The next pending signal's number and sender's pid; nil when there is none.
  public func next() -> (signal: Int32, sender: Int32)? {
    // struct signalfd_siginfo is 128 bytes: signo 0, errno 4, code 8, pid 12.
    var info = [UInt8](repeating: 0, count: 128)
    guard Glibc.read(descriptor.raw, &info, 128) == 128 else { return nil }
    return info.withUnsafeBytes {
      (
        Int32($0.loadUnaligned(fromByteOffset: 0, as: UInt32.self)),
        Int32($0.loadUnaligned(fromByteOffset: 12, as: UInt32.self))
      )
    }
  }

  /// Takes the standard signals' default actions again: an ignored one would stay ignored through an exec, as
  /// SIGINT is for a shell's background jobs.
  public static func resetDispositions() {
    for number in 1...31 as ClosedRange<Int32> where number != SIGKILL && number != SIGSTOP {
      signal(number, SIG_DFL)
    }
  }

  /// Unblocks every signal of this process, as before an exec or in a forked child.
  public static func unblockAll() {
    var none = sigset_t()
    sigemptyset(&none)
    sigprocmask(SIG_SETMASK, &none, nil)
  }
}
