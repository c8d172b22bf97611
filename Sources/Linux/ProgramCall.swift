import CLinux
import Glibc

/// Another program that is run to its end, fed some bytes, and whose output is taken whole.
public enum ProgramCall {
  /// What came of it.
  public struct Outcome: Sendable {
    /// How it ended.
    public let status: ExitStatus
    /// Its standard output.
    public let output: [UInt8]
  }

  /// The path of a program, looked up in `PATH` when its name has no slash; nil when there is none.
  public static func find(_ name: String) -> String? {
    if name.contains("/") { return access(name, X_OK) == 0 ? name : nil }
    let path = Console.environment("PATH") ?? "/usr/local/bin:/usr/bin:/bin"
    for folder in path.split(separator: ":") where folder.hasPrefix("/") {
      let candidate = "\(folder)/\(name)"
      if access(candidate, X_OK) == 0 { return candidate }
    }
    return nil
  }

  /// This process's environment, "NAME=value".
  public static var environment: [String] {
    var entries: [String] = []
    var cursor = environ
    while let entry = cursor.pointee {
      entries.append(String(cString: entry))
      cursor += 1
    }
    return entries
  }

  /// Runs a program with this process's environment and standard error.
  ///
  /// - Parameters:
  ///   - input: small enough for a pipe (64 KiB).
  ///   - limit: the largest output that is taken.
  public static func run(
    _ path: String, _ arguments: [String], input: [UInt8], limit: Int
  ) throws(Failure) -> Outcome {
    let toChild = try Descriptor.pipe()
    let childInput = toChild.read
    let near = toChild.write
    let fromChild = try Descriptor.pipe()
    let output = fromChild.read
    let childOutput = fromChild.write
    let (inputNumber, outputNumber) = (childInput.raw, childOutput.raw)
    let words = [path] + arguments
    let entries = environment
    let child = try Processes.forkHelper { _ in
      guard dup2(inputNumber, 0) >= 0, dup2(outputNumber, 1) >= 0 else { return 126 }
      ThisProcess.closeDescriptors(from: 3, atExec: true)
      signal(SIGPIPE, SIG_DFL)
      _ = ThisProcess.execute(path, arguments: words, environment: entries)
      return 127
    }
    // Only the child may hold these ends.
    _ = consume childInput
    _ = consume childOutput
    // A program that does not read its input must not end this one.
    let before = signal(SIGPIPE, SIG_IGN)
    try? near.write(input)
    signal(SIGPIPE, before)
    _ = consume near
    let bytes: [UInt8]
    do throws(Failure) { bytes = try output.readToEnd(limit: limit, object: path) } catch {
      child.kill()
      throw error
    }
    guard let status = try Processes.wait(pidfd: child.handle) else {
      throw Failure(.system, "run", path, reason: "it did not end")
    }
    return Outcome(status: status, output: bytes)
  }
}
