import CLinux
import Glibc

/// The kernel's own log, as /dev/kmsg gives it (Documentation/ABI/testing/dev-kmsg).
public enum KernelLog {
  /// One message.
  public struct Line: Sendable, Equatable {
    /// Microseconds since the machine's boot.
    public var microseconds: UInt64
    /// The message's first line, without priority and time.
    public var text: String

    /// A message.
    public init(microseconds: UInt64, text: String) {
      self.microseconds = microseconds
      self.text = text
    }

    /// Parses a record "6,1234,5678901,-;text" with its continuation lines; nil for anything else.
    public init?(record: [UInt8]) {
      guard let semicolon = record.firstIndex(of: UInt8(ascii: ";")) else { return nil }
      let fields = record[..<semicolon].split(separator: UInt8(ascii: ","))
      guard fields.count >= 3, let time = UInt64(String(decoding: fields[2], as: UTF8.self)) else {
        return nil
      }
      microseconds = time
      let message = record[(semicolon + 1)...].prefix { $0 != UInt8(ascii: "\n") }
      text = String(decoding: message, as: UTF8.self)
    }
  }

  /// What the kernel has kept and `isWanted`, oldest first; nothing where it may not be read
  /// (kernel.dmesg_restrict, a container). Never waits.
  ///
  /// - Parameter limit: how many of the newest are returned at most.
  public static func lines(limit: Int = 256, where isWanted: (Line) -> Bool) -> [Line] {
    let fd = clx_open(AT_FDCWD, "/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC, 0)
    if fd < 0 { return [] }
    defer { close(fd) }
    var found: [Line] = []
    var space = [UInt8](repeating: 0, count: 8192)
    while true {
      // One record for each read(2).
      let count = read(fd, &space, space.count)
      if count <= 0 {
        // EPIPE: a record was overwritten before it could be read; the next one can be.
        if count < 0 && (Glibc.errno == EPIPE || Glibc.errno == EINTR) { continue }
        return found
      }
      guard let line = Line(record: Array(space[..<count])), isWanted(line) else { continue }
      found.append(line)
      if found.count > limit { found.removeFirst() }
    }
  }
}
