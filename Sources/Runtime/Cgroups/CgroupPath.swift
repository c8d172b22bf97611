import Linux

extension Cgroup {
  /// Checks a group's path, such as "/minidock/<id>": relative to the hierarchy's root whether or not
  /// it starts with a slash, and never leading anywhere else.
  ///
  /// - Throws: ``Failure/Code/invalid`` for an empty path, an empty, "." or ".." component, one that
  ///   starts with anything but a letter, digit or "_" (so none can pass for an option or hide), has
  ///   characters other than letters, digits and `_.-@:+\`, has more than 255 bytes, or has the form
  ///   of a control file ("cgroup.procs").
  public static func validate(path: String) throws(Failure) {
    func refuse(_ reason: String) -> Failure {
      Failure(
        .invalid, "use cgroup path", "\"\(path)\"", reason: reason,
        remedy: "a path is like /minidock/NAME")
    }
    let relative = path.hasPrefix("/") ? path.dropFirst() : path[...]
    guard !relative.isEmpty else { throw refuse("it names no group") }
    guard path.utf8.count < 3000 else { throw refuse("it is too long") }
    for component in relative.split(separator: "/", omittingEmptySubsequences: false) {
      guard !component.isEmpty else { throw refuse("it has an empty component") }
      guard component != ".." && component != "." else {
        throw refuse("it has a \"\(component)\" component")
      }
      guard component.utf8.count <= 255 else { throw refuse("a component is too long") }
      guard let first = component.utf8.first, isWord(first) else {
        throw refuse("a component starts with neither a letter nor a digit")
      }
      guard component.utf8.allSatisfy({ isWord($0) || ".-@:+\\".utf8.contains($0) }) else {
        throw refuse("a component has characters other than letters, digits and _.-@:+\\")
      }
      guard !component.hasPrefix("cgroup.") else { throw refuse("\"cgroup.\" is the kernel's") }
    }
  }

  private static func isWord(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
      true
    default: false
    }
  }

  /// The path with one slash in front and none at the end.
  static func normalize(_ path: String) -> String { path.hasPrefix("/") ? path : "/" + path }
}
