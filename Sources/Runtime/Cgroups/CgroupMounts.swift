import Linux

/// The cgroup lines of mountinfo.
///
/// Every start of a container passes here, most often as the first Swift code of its kind in the process,
/// where each generic type costs microseconds to instantiate: so it goes over the bytes by index.
enum CgroupMounts {
  /// One line.
  struct Mount {
    /// Whether it is the v2 tree.
    var isUnified: Bool
    /// Where it is mounted, unescaped.
    var point: String
    fileprivate var text: UnsafePointer<UInt8>
    fileprivate var options: Range<Int>

    /// Whether the file system's own options name a controller: "rw,cpu,cpuacct".
    func hasOption(_ name: String) -> Bool {
      var name = name
      return name.withUTF8 { name in
        var index = options.lowerBound
        while index < options.upperBound {
          var length = 0
          var isSame = true
          while index < options.upperBound, text[index] != UInt8(ascii: ",") {
            if length >= name.count || name[length] != text[index] { isSame = false }
            length += 1
            index += 1
          }
          if isSame && length == name.count { return true }
          index += 1
        }
        return false
      }
    }
  }

  /// Calls `body` with each cgroup mount, in the order they were made.
  static func each(in mountinfo: [UInt8], _ body: (Mount) -> Void) {
    mountinfo.withUnsafeBufferPointer { buffer in
      guard let text = buffer.baseAddress else { return }
      var start = 0
      while start < buffer.count {
        var end = start
        while end < buffer.count, text[end] != UInt8(ascii: "\n") { end += 1 }
        if let mount = parse(text, start, end) { body(mount) }
        start = end + 1
      }
    }
  }

  // "31 23 0:28 / /sys/fs/cgroup/cpu rw,relatime shared:9 - cgroup cgroup rw,cpu": the fifth field is the
  // mount point; behind " - " follow type, source and the file system's options.
  private static func parse(
    _ text: UnsafePointer<UInt8>, _ start: Int, _ end: Int
  ) -> Mount? {
    let space = UInt8(ascii: " ")
    var index = start
    var separator = -1
    while index + 9 < end {
      if text[index] == space, text[index + 1] == UInt8(ascii: "-"), text[index + 2] == space {
        separator = index
        break
      }
      index += 1
    }
    guard separator >= 0, starts(text + separator + 3, "cgroup") else { return nil }
    var next = separator + 9
    let isUnified = text[next] == UInt8(ascii: "2")
    if isUnified { next += 1 }
    // A type that only begins like this is another file system's.
    guard next < end, text[next] == space else { return nil }
    var optionStart = end
    while optionStart > next, text[optionStart - 1] != space { optionStart -= 1 }
    var field = 0
    var pointStart = start
    while field < 4, pointStart < separator {
      if text[pointStart] == space { field += 1 }
      pointStart += 1
    }
    var pointEnd = pointStart
    while pointEnd < separator, text[pointEnd] != space { pointEnd += 1 }
    return Mount(
      isUnified: isUnified, point: unescape(text, pointStart, pointEnd), text: text,
      options: optionStart..<end)
  }

  private static func starts(_ text: UnsafePointer<UInt8>, _ prefix: StaticString) -> Bool {
    for index in 0..<prefix.utf8CodeUnitCount where text[index] != prefix.utf8Start[index] {
      return false
    }
    return true
  }

  // Space, tab, line feed and backslash appear as \040, \011, \012 and \134.
  private static func unescape(
    _ text: UnsafePointer<UInt8>, _ start: Int, _ end: Int
  ) -> String {
    var result: [UInt8] = []
    result.reserveCapacity(end - start)
    var index = start
    while index < end {
      if text[index] == UInt8(ascii: "\\"), index + 3 < end {
        let octal =
          (text[index + 1] & 7) << 6 | (text[index + 2] & 7) << 3 | (text[index + 3] & 7)
        result.append(octal)
        index += 4
      } else {
        result.append(text[index])
        index += 1
      }
    }
    return String(decoding: result, as: UTF8.self)
  }
}
