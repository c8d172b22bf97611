import Linux

/// One side of `minidock cp`: a path of the host, a container's, or a stream.
public enum CopyArgument: Sendable, Equatable {
  /// "-": an archive on standard input or output.
  case stream
  /// A path of the host.
  case host(String)
  /// A path in a container.
  case container(String, path: String)

  /// Docker's rules: "CONTAINER:PATH", unless it begins with a slash or a dot or has no colon.
  public init(_ text: String) {
    let colon = text.firstIndex(of: ":")
    if text == "-" {
      self = .stream
    } else if let colon, !text.hasPrefix("/"), !text.hasPrefix(".") {
      self = .container(String(text[..<colon]), path: String(text[text.index(after: colon)...]))
    } else {
      self = .host(text)
    }
  }
}

/// A path of `minidock cp`, absolute and without "." and "..", and what its end says.
///
/// As docker's, it is cleaned by its text: "a/b/.." is "a" even where b is a link.
struct CopyPath: Sendable, Equatable {
  /// "/" or "/a/b".
  let bytes: [UInt8]
  /// It ends with "/" or "/.": it must be a directory.
  let assertsDirectory: Bool
  /// It ends with "/.", is "." or the root: what is meant is the content, not the directory.
  let meansContent: Bool

  /// - Parameter directory: what a relative path starts at; absolute.
  init(_ text: some Sequence<UInt8>, below directory: String = "/") {
    let slash = UInt8(ascii: "/")
    let text = Array(text)
    let isRelative = text.first != slash
    var components = isRelative ? directory.utf8.split(separator: slash).map { Array($0) } : []
    let given = text.split(separator: slash).map { Array($0) }
    for component in given {
      if component == [46, 46] {
        _ = components.popLast()
      } else if component != [46] {
        components.append(component)
      }
    }
    bytes = components.isEmpty ? [slash] : components.flatMap { [slash] + $0 }
    meansContent = given.last == [46] || components.isEmpty
    assertsDirectory = text.last == slash || meansContent
  }

  /// The last component; empty for the root.
  var base: [UInt8] { Root.split(bytes: bytes).leaf }
  /// The path above.
  var parent: [UInt8] { Root.split(bytes: bytes).parent }
  /// For messages.
  var shown: String { Root.printable(bytes) }

  /// Where a symbolic link at this path leads.
  func following(_ target: [UInt8]) -> CopyPath {
    let parent = Root.split(bytes: bytes).parent
    guard target.first != UInt8(ascii: "/") else { return CopyPath(target) }
    return CopyPath([UInt8(ascii: "/")] + parent + [UInt8(ascii: "/")] + target)
  }
}
