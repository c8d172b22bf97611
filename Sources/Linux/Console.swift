import Glibc

/// This process's standard streams, environment and end.
public enum Console {
  /// Prints a line to standard output.
  public static func print(_ text: String) { write(text + "\n", to: 1) }

  /// Prints text to standard output as it is.
  public static func printRaw(_ text: String) { write(text, to: 1) }

  /// Prints a line to standard error. Control characters are shown, not obeyed: names and paths in it may
  /// come from an image or a stranger, and must neither break the line nor drive the terminal.
  public static func error(_ text: String) { write(text.printable + "\n", to: 2) }

  /// Prints text to standard error as it is: for what drives the terminal on purpose.
  public static func errorRaw(_ text: String) { write(text, to: 2) }

  /// A variable of the environment, even an empty one; nil when it is not set.
  public static func variable(_ name: String) -> String? {
    getenv(name).map { String(cString: $0) }
  }

  /// A variable of the environment; nil when it is not set or empty.
  public static func environment(_ name: String) -> String? {
    guard let value = getenv(name), value.pointee != 0 else { return nil }
    return String(cString: value)
  }

  /// Whether standard input is a terminal.
  public static var inputIsTerminal: Bool { Terminal.isTerminal(0) }

  /// Whether standard output is a terminal.
  public static var outputIsTerminal: Bool { Terminal.isTerminal(1) }

  /// Whether standard error is a terminal.
  public static var errorIsTerminal: Bool { Terminal.isTerminal(2) }

  /// Replaces the last line of a terminal at standard error, without going to the next; nothing clears it.
  public static func errorLine(_ text: String) {
    write("\r" + text.printable + "\u{1b}[K", to: 2)
  }

  // A reader that is gone is no reason to fail loudly: the end of a pipe ends the output.
  private static func write(_ text: String, to descriptor: Int32) {
    try? Array(text.utf8).withBytes { (bytes) throws(Failure) in
      try writeAll(descriptor, bytes)
    }
  }
}

/// Ends this process at once, without running the C library's exit handlers.
public func exitProcess(_ status: Int32) -> Never { _exit(status) }

extension String {
  /// The text with every control character written as its escape.
  public var printable: String {
    var result = ""
    for scalar in unicodeScalars {
      switch scalar {
      case "\n": result += "\\n"
      case "\t": result += "\\t"
      case "\r": result += "\\r"
      case _ where scalar.value < 0x20 || (0x7f..<0xa0).contains(scalar.value):
        result += "\\x" + hex([UInt8(truncatingIfNeeded: scalar.value)])
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }
}
