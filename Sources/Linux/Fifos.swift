import CLinux
import Glibc

/// Named pipes (fifo(7)).
public enum Fifos {
  /// Makes one, for its owner alone.
  public static func make(_ path: String) throws(Failure) {
    try check("create fifo", path) { mkfifo(path, 0o600) }
  }

  /// Opens one for reading and writing, so that neither waits for another process.
  public static func open(_ path: String, blocking: Bool) throws(Failure) -> Descriptor {
    Descriptor(
      owning: try check("open", path) {
        clx_open(AT_FDCWD, path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | (blocking ? 0 : O_NONBLOCK), 0)
      })
  }

  /// Opens one for writing; nil when nobody reads.
  public static func openForWriting(_ path: String) throws(Failure) -> Descriptor? {
    let fd = clx_open(AT_FDCWD, path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0)
    if fd >= 0 { return Descriptor(owning: fd) }
    if Glibc.errno == ENXIO { return nil }
    throw .last("open", path)
  }

  /// Opens one for reading whether or not somebody writes; reads wait from then on.
  public static func openForReading(_ path: String) throws(Failure) -> Descriptor {
    let file = Descriptor(
      owning: try check("open", path) {
        clx_open(AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0)
      })
    try check("open", path) { clx_set_nonblocking(file.raw, false) }
    return file
  }
}

/// Connections to sockets of other programs (unix(7), SOCK_STREAM).
public enum StreamSocket {
  /// Sends bytes with a descriptor to whoever listens at a host path, and closes the connection.
  public static func send(
    _ bytes: [UInt8], descriptor: Int32, to path: String
  ) throws(Failure) {
    // By a descriptor of the folder: the path may be longer than an address can be.
    let folder = try Descriptor.open(Files.parent(of: path), .path)
    let socket = Descriptor(
      owning: try check("connect to", path) {
        clx_connect_stream("/proc/self/fd/\(folder.raw)/\(Files.name(of: path))")
      })
    try send(bytes, descriptor: descriptor, over: socket.raw, name: path)
  }

  static func send(
    _ bytes: [UInt8], descriptor: Int32, over socket: Int32, name: String
  ) throws(Failure) {
    var sent = try bytes.withBytes { (it) throws(Failure) in
      try checkCount("send to", name) {
        clx_send_fds(socket, it.baseAddress, it.count, [descriptor], 1)
      }
    }
    while sent < bytes.count {
      sent += try Array(bytes[sent...]).withBytes { (it) throws(Failure) in
        try checkCount("send to", name) {
          clx_send_fds(socket, it.baseAddress, it.count, nil, 0)
        }
      }
    }
  }
}
