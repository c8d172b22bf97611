import Glibc
import Linux
import TestSupport

@testable import Runtime

/// A child process for what cannot be undone: dropped capabilities, loaded filters.
enum ForkedChild {
  /// Runs `body` in a child and returns the lines that it returns.
  ///
  /// The test process has threads, so that a child may find a lock held for ever by one that it does
  /// not have: an alarm ends it then, and it is tried again.
  static func output(_ body: () throws(Failure) -> [String]) throws -> [String] {
    for attempt in 0... {
      let pipe = try Descriptor.pipe()
      let writer = pipe.write.raw
      let child = try Processes.forkHelper { _ in
        alarm(20)
        var lines: [String] = []
        do throws(Failure) { lines = try body() } catch { lines = ["failed: \(error)"] }
        let bytes = Array(lines.joined(separator: "\n").utf8)
        return write(writer, bytes, bytes.count) == bytes.count ? 0 : 1
      }
      let reader = closeWriteEnd(pipe)
      let bytes = try reader.readToEnd(limit: 1 << 16)
      let status = try Processes.wait(pidfd: child.handle)
      if status == .signaled(SIGALRM) && attempt < 3 { continue }
      guard status == .exited(0) else {
        throw Failure(
          .system, "run", "child", reason: "it ended with \(String(describing: status))")
      }
      return String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
    }
    return []
  }

  private static func closeWriteEnd(_ pipe: consuming Pipe) -> Descriptor { pipe.read }

  /// The lines of /proc/self/status that begin with a prefix.
  static func statusLines(_ prefix: String) -> [String] {
    (Files.text("/proc/self/status") ?? "").split(separator: "\n").map(String.init)
      .filter { $0.hasPrefix(prefix) }
  }

  /// What a system call did: "ok" or the name of its error.
  static func result(_ value: Int) -> String { value >= 0 ? "ok" : errorName(errno) }
}

/// Executes classic BPF over `struct seccomp_data`, as the kernel does.
struct FilterInterpreter {
  let bytes: [UInt8]
  static let x86_64: UInt32 = 0xc000_003e
  static let i386: UInt32 = 0x4000_0003

  /// The action for a call; nil for a program the kernel would not take.
  func action(
    _ number: UInt32, _ arguments: [UInt64] = [], architecture: UInt32 = x86_64
  ) -> UInt32? {
    var data = [UInt32](repeating: 0, count: 16)
    data[0] = number
    data[1] = architecture
    for (index, value) in arguments.enumerated() {
      data[4 + 2 * index] = UInt32(truncatingIfNeeded: value)
      data[5 + 2 * index] = UInt32(truncatingIfNeeded: value >> 32)
    }
    var accumulator: UInt32 = 0
    var index = 0
    while index * 8 + 8 <= bytes.count {
      let step = bytes[(index * 8)..<(index * 8 + 8)].withUnsafeBytes {
        (
          code: $0.loadUnaligned(as: UInt16.self), yes: Int($0[2]), no: Int($0[3]),
          constant: $0.loadUnaligned(fromByteOffset: 4, as: UInt32.self)
        )
      }
      index += 1
      func jump(_ condition: Bool) { index += condition ? step.yes : step.no }
      switch step.code {
      case 0x20: accumulator = data[Int(step.constant) / 4]
      case 0x05: index += Int(step.constant)
      case 0x15: jump(accumulator == step.constant)
      case 0x25: jump(accumulator > step.constant)
      case 0x35: jump(accumulator >= step.constant)
      case 0x45: jump(accumulator & step.constant != 0)
      case 0x54: accumulator &= step.constant
      case 0x06: return step.constant
      default: return nil
      }
    }
    return nil
  }
}
