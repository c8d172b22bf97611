import CLinux
import Glibc

/// The one error of minidock: which operation failed on which object, why, and what to do about it.
///
/// It prints as `operation object: reason (remedy)`, lower-case and without a full stop; the CLI puts
/// `minidock: ` in front and reports it once. Nothing below the CLI logs a failure and throws it.
public struct Failure: Error, Sendable, Equatable {
  /// What kind of failure it is, for the code that must act on it (exit status, fallbacks).
  public enum Code: String, Sendable {
    /// A system call failed; ``Failure/errno`` is set.
    case system
    /// An argument, reference, document or name is malformed.
    case invalid
    /// The named object does not exist.
    case notFound
    /// The named object exists already.
    case exists
    /// The object is used by something else.
    case inUse
    /// This host or this version cannot do what was asked.
    case unsupported
    /// Data on disk or from outside contradicts itself or its digest.
    case corrupt
    /// A limit or a safety rule forbids it.
    case refused
    /// The container's command exists but cannot be executed (exit status 126).
    case notExecutable
    /// The container's command does not exist (exit status 127).
    case commandNotFound
  }

  /// What a caller decides by; ``Code/system`` goes with ``errno``.
  public var code: Code
  /// The operation in progress, as a verb phrase: "open", "mount overlay".
  public var operation: String
  /// What it was applied to: a path, name or value; may be empty.
  public var object: String
  /// The error number of the failed call, 0 when no system call is to blame.
  public var errno: Int32
  /// Why, in words; when empty the error number's text stands in.
  public var reason: String
  /// What the user can do about it; may be empty.
  public var remedy: String

  /// A failure that no system call reported.
  public init(
    _ code: Code, _ operation: String, _ object: String = "", reason: String, remedy: String = ""
  ) {
    self.code = code
    self.operation = operation
    self.object = object
    self.errno = 0
    self.reason = reason
    self.remedy = remedy
  }

  /// A failed system call with its error number.
  public init(
    errno: Int32, _ operation: String, _ object: String = "", reason: String = "",
    remedy: String = ""
  ) {
    self.code = .system
    self.operation = operation
    self.object = object
    self.errno = errno
    self.reason = reason
    self.remedy = remedy
  }

  /// The failure of the call that has just returned -1. Evaluate it first thing: any other call may
  /// change `errno`.
  public static func last(_ operation: String, _ object: String = "") -> Failure {
    Failure(errno: Glibc.errno, operation, object)
  }

  /// The same failure seen from a larger operation, whose name and object replace the inner ones;
  /// the inner ones move into the reason.
  public func during(_ operation: String, _ object: String = "", remedy: String = "") -> Failure {
    var outer = self
    outer.operation = operation
    outer.object = object
    outer.reason = description(withRemedy: false)
    if outer.remedy.isEmpty { outer.remedy = remedy }
    return outer
  }

  /// The same failure with a remedy, unless it has one.
  public func withRemedy(_ remedy: String) -> Failure {
    var copy = self
    if copy.remedy.isEmpty { copy.remedy = remedy }
    return copy
  }

  func description(withRemedy: Bool) -> String {
    var text = operation
    if !object.isEmpty { text += (text.isEmpty ? "" : " ") + object }
    let why = reason.isEmpty ? errorText(errno) : reason
    if !why.isEmpty { text += (text.isEmpty ? "" : ": ") + why }
    if withRemedy && !remedy.isEmpty { text += "; " + remedy }
    return text
  }
}

extension Failure: CustomStringConvertible {
  /// The line that the CLI prints, with the remedy but without the program's name.
  public var description: String { description(withRemedy: true) }
}

/// The C library's text for an error number, lower-case: "no such file or directory".
public func errorText(_ number: Int32) -> String {
  guard number != 0, let text = strerror(number) else { return "" }
  return String(cString: text).lowercasedFirst
}

/// The symbolic name of an error number: "ENOENT".
public func errorName(_ number: Int32) -> String {
  guard let name = clx_errno_name(number) else { return "errno \(number)" }
  return String(cString: name)
}

extension String {
  /// The string with its first letter in lower case, unless the first word is an abbreviation.
  fileprivate var lowercasedFirst: String {
    guard let first = first, first.isUppercase, dropFirst().first?.isUppercase != true else {
      return self
    }
    return first.lowercased() + dropFirst()
  }
}

/// Calls `body` until it no longer fails with EINTR and turns -1 into a ``Failure``.
@discardableResult
@inline(__always)
public func check(
  _ operation: @autoclosure () -> String, _ object: @autoclosure () -> String = "",
  _ body: () -> Int32
) throws(Failure) -> Int32 {
  while true {
    let result = body()
    if result >= 0 { return result }
    let number = Glibc.errno
    if number == EINTR { continue }
    throw Failure(errno: number, operation(), object())
  }
}

/// As ``check(_:_:_:)-(_,_,()->Int32)`` for calls that return a byte count.
@discardableResult
@inline(__always)
public func checkCount(
  _ operation: @autoclosure () -> String, _ object: @autoclosure () -> String = "",
  _ body: () -> Int
) throws(Failure) -> Int {
  while true {
    let result = body()
    if result >= 0 { return result }
    let number = Glibc.errno
    if number == EINTR { continue }
    throw Failure(errno: number, operation(), object())
  }
}
