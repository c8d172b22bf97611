import CLinux
import Glibc

extension Descriptor {
  /// The target of the symbolic link that this descriptor (O_PATH, O_NOFOLLOW) stands for; nil when it is
  /// none (readlinkat(2), Linux 2.6.39).
  public var linkTarget: String? {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 4097) { space -> String? in
      let count = readlinkat(raw, "", space.baseAddress!, 4096)
      guard count > 0 else { return nil }
      return String(decoding: UnsafeRawBufferPointer(space)[..<count], as: UTF8.self)
    }
  }

  fileprivate func eachEntry(_ body: ([UInt8], FileStatus) -> Void) throws(Failure) {
    let copy = try duplicate().release()
    guard let stream = fdopendir(copy) else {
      let failure = Failure.last("read directory")
      close(copy)
      throw failure
    }
    defer { closedir(stream) }
    while let entry = readdir(stream) {
      var info = stat()
      let (name, found) = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { text in
          let bytes = UnsafeRawBufferPointer(start: text, count: strnlen(text, 256))
          return (Array(bytes), fstatat(raw, text, &info, AT_SYMLINK_NOFOLLOW) == 0)
        }
      }
      if !found || name == [46] || name == [46, 46] { continue }
      body(name, FileStatus(info))
    }
  }
}

extension Root {
  /// The first bytes, at most `limit`, of a regular file reached without any link; nil when it is none.
  ///
  /// Nothing waits: a fifo or device in the file's place is not opened (row 15).
  public func head(of path: String, limit: Int) -> [UInt8]? {
    guard let place = try? locate(path, noSymlinks: true),
      (try? place.fileStatus())?.kind == .regular,
      let file = try? open(path, flags: O_RDONLY | O_NONBLOCK | O_NOCTTY, noSymlinks: true),
      (try? file.fileStatus())?.kind == .regular
    else { return nil }
    var space = [UInt8](repeating: 0, count: limit)
    let number = file.raw
    let count = try? space.withMutableBytes { (bytes) throws(Failure) in
      try FileBytes.read(number, into: bytes, at: 0)
    }
    space.removeLast(limit - (count ?? 0))
    return space
  }

  /// The names in a directory reached without any link, with what they are; none when it is no directory.
  public func entries(of path: String) -> [(name: String, status: FileStatus)] {
    var found: [(name: String, status: FileStatus)] = []
    guard
      let directory = try? open(
        path, flags: O_RDONLY | O_DIRECTORY | O_NOFOLLOW, noSymlinks: true)
    else { return [] }
    try? directory.eachEntry { name, status in
      found.append((String(decoding: name, as: UTF8.self), status))
    }
    return found
  }

  /// The bytes of all regular files of the tree, each once however many names it has.
  ///
  /// What lies deeper than a path can name (4096 bytes) does not count. A tree that changes meanwhile gives
  /// some number in between.
  public func contentSize() -> Int64 {
    var total: Int64 = 0
    var seen: Set<UInt64> = []
    var queue: [[UInt8]] = [[UInt8(ascii: ".")]]
    while let path = queue.popLast() {
      let flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW
      guard let directory = try? open(bytes: path, flags: flags) else { continue }
      try? directory.eachEntry { name, status in
        switch status.kind {
        case .directory: queue.append(path + [UInt8(ascii: "/")] + name)
        case .regular where seen.insert(status.inode).inserted: total += status.size
        default: break
        }
      }
    }
    return total
  }
}
