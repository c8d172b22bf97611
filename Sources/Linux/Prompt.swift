import CLinux
import Glibc

/// Questions to whoever sits at the terminal that is standard input.
public enum Prompt {
  /// Asks on standard error and reads one line from standard input.
  ///
  /// - Parameter isSecret: what is typed is not shown; the terminal is as before afterwards, also when the
  ///   user interrupts.
  /// - Returns: the line without its end; nil at the end of the input.
  public static func ask(_ question: String, isSecret: Bool = false) -> String? {
    Console.errorRaw(question)
    guard isSecret else { return readLine() }
    var before = termios()
    guard tcgetattr(0, &before) == 0 else { return readLine() }
    var silent = before
    silent.c_lflag &= ~tcflag_t(ECHO)
    // The interrupt key shall not leave a terminal that shows nothing: it arrives as a byte meanwhile.
    silent.c_lflag &= ~tcflag_t(ISIG)
    tcsetattr(0, TCSAFLUSH, &silent)
    let line = readLine()
    tcsetattr(0, TCSAFLUSH, &before)
    Console.errorRaw("\n")
    return line.flatMap { $0.utf8.contains(3) ? nil : $0 }
  }

  // Byte by byte: what follows the line belongs to the next reader.
  private static func readLine() -> String? {
    var bytes: [UInt8] = []
    var byte: UInt8 = 0
    while read(0, &byte, 1) == 1 {
      if byte == 0x0a { return String(decoding: bytes, as: UTF8.self) }
      bytes.append(byte)
      // With ISIG off, the interrupt key ends the line.
      if byte == 3 || bytes.count > 64 << 10 { break }
    }
    return bytes.isEmpty ? nil : String(decoding: bytes, as: UTF8.self)
  }
}
