import CLinux
import Glibc

/// A place in the file system where other minidock processes can reach this one (unix(7),
/// SOCK_SEQPACKET). Never an abstract name, which every network namespace of the host shares (security
/// row 31); only root is accepted.
public struct ListeningSocket: ~Copyable, Sendable {
  /// The descriptor, for poll(2).
  public let descriptor: Descriptor

  /// Listens at `directory`/`name`; what is there already is replaced.
  ///
  /// The caller's mask is 0 and the directory is private (0700), so that the socket's own mode decides
  /// nothing.
  public init(directory: String, name: String) throws(Failure) {
    try Files.remove("\(directory)/\(name)")
    let folder = try Descriptor.open(directory, .path)
    let path = "/proc/self/fd/\(folder.raw)/\(name)"
    let socket = Descriptor(
      owning: try check("listen at", "\(directory)/\(name)") { clx_listen_seqpacket(path, 128) })
    try Files.setPermissions("\(directory)/\(name)", 0o600)
    descriptor = socket
  }

  /// Takes over a listening socket.
  public init(_ descriptor: consuming Descriptor) { self.descriptor = descriptor }

  /// The next connection of a process of root's; nil when there is none.
  public func accept() -> MessageSocket? {
    while true {
      let fd = clx_accept(descriptor.raw)
      if fd < 0 {
        if errno == EINTR || errno == ECONNABORTED { continue }
        return nil
      }
      let connection = Descriptor(owning: fd)
      var pid: pid_t = 0
      var uid: uid_t = 1
      guard clx_peer_pid(connection.raw, &pid, &uid) == 0, uid == 0 else { continue }
      return MessageSocket(connection)
    }
  }
}

extension MessageSocket {
  /// A connection to the process that listens at `directory`/`name`; nil when there is none.
  ///
  /// - Throws: the call's failure but for a missing or deserted socket.
  public static func connect(directory: String, name: String) throws(Failure) -> MessageSocket? {
    let folder = try Descriptor.open(directory, .path)
    let fd = clx_connect_seqpacket("/proc/self/fd/\(folder.raw)/\(name)")
    if fd >= 0 { return MessageSocket(Descriptor(owning: fd)) }
    let number = Glibc.errno
    if number == ENOENT || number == ECONNREFUSED { return nil }
    throw Failure(errno: number, "connect to", "\(directory)/\(name)")
  }
}
