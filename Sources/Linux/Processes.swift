import CLinux
import Glibc

/// A process as a pair that is never reused: its pid and its start time in clock ticks since boot
/// (field 22 of proc(5)'s stat).
public struct ProcessIdentity: Sendable, Equatable, Hashable {
  /// As the pid namespace of this process's /proc numbers it.
  public let pid: Int32
  /// Clock ticks since boot; only ever compared for equality.
  public let startTime: UInt64

  /// An identity as recorded earlier.
  public init(pid: Int32, startTime: UInt64) {
    self.pid = pid
    self.startTime = startTime
  }

  /// The identity of a process that exists now; nil when there is none or it is a zombie.
  public init?(of pid: Int32) {
    guard let stat = ProcessStat(pid: pid), stat.state != "Z", stat.state != "X" else { return nil }
    self.init(pid: pid, startTime: stat.startTime)
  }

  /// Whether the process that was recorded still runs.
  public var isAlive: Bool { ProcessIdentity(of: pid) == self }
}

/// The fields of /proc/PID/stat that minidock uses.
public struct ProcessStat: Sendable {
  /// Field 3: "R" runs, "S" and "D" sleep, "T" is stopped, "Z" has ended and is not reaped yet.
  public let state: Character
  /// The parent's pid (field 4); 0 when it lies outside the pid namespace.
  public let parent: Int32
  /// Clock ticks between boot and the process's start (field 22).
  public let startTime: UInt64

  /// Reads /proc/PID/stat; nil when the process does not exist.
  public init?(pid: Int32) {
    guard pid > 0 else { return nil }
    let fd = clx_open(AT_FDCWD, "/proc/\(pid)/stat", O_RDONLY | O_CLOEXEC, 0)
    guard fd >= 0 else { return nil }
    let file = Descriptor(owning: fd)
    // The line is made in one piece and shorter than this; ESRCH when the process has just gone.
    let parsed = withUnsafeTemporaryAllocation(byteCount: 1024, alignment: 16) { space in
      let count = try? readBytes(file.raw, into: space)
      return ProcessStat(UnsafeRawBufferPointer(rebasing: space[..<(count ?? 0)]))
    }
    guard let parsed else { return nil }
    self = parsed
  }

  // Digits are counted where they stand: lists ask this of every container.
  private init?(_ line: UnsafeRawBufferPointer) {
    // The command in parentheses may hold anything, so fields are counted after the last ")".
    guard var place = line.lastIndex(of: UInt8(ascii: ")")) else { return nil }
    place += 2
    guard place < line.count else { return nil }
    var numbers = (parent: UInt64(0), startTime: UInt64(0))
    state = Character(UnicodeScalar(line[place]))
    // The state is field 3.
    var field = 3
    while field < 22 {
      while place < line.count, line[place] != UInt8(ascii: " ") { place += 1 }
      place += 1
      field += 1
      guard place < line.count else { return nil }
      guard field == 4 || field == 22 else { continue }
      var value: UInt64 = 0
      var digit = place
      while digit < line.count, (48...57).contains(line[digit]) {
        value = value &* 10 &+ UInt64(line[digit] - 48)
        digit += 1
      }
      if field == 4 { numbers.parent = value } else { numbers.startTime = value }
    }
    parent = Int32(truncatingIfNeeded: numbers.parent)
    startTime = numbers.startTime
  }
}

/// How a child ended.
public enum ExitStatus: Sendable, Equatable {
  case exited(Int32)
  case signaled(Int32)

  /// The shell's and docker's number: the exit code, or 128 + the signal.
  public var code: Int32 {
    switch self {
    case .exited(let code): code
    case .signaled(let signal): 128 + signal
    }
  }
}

/// Child processes.
public enum Processes {
  /// Waits for a child by its pidfd (Linux 5.4) and reaps it.
  ///
  /// - Parameter hang: false to return nil while it still runs.
  public static func wait(
    pidfd: borrowing Descriptor, hang: Bool = true
  ) throws(Failure) -> ExitStatus? {
    var info = siginfo_t()
    try check("wait for", "child") {
      clx_waitid_pidfd(pidfd.raw, WEXITED | (hang ? 0 : WNOHANG), &info)
    }
    if clx_siginfo_pid(&info) == 0 { return nil }
    let status = clx_siginfo_status(&info)
    return info.si_code == CLD_EXITED ? .exited(status) : .signaled(status)
  }

  /// Waits for a child by pid and reaps it.
  public static func wait(pid: Int32) throws(Failure) -> ExitStatus {
    var status: Int32 = 0
    try check("wait for", "process \(pid)") { waitpid(pid, &status, 0) }
    return decode(status)
  }

  /// A wait(2) status word, decoded.
  public static func decode(_ status: Int32) -> ExitStatus {
    status & 0x7f == 0 ? .exited((status >> 8) & 0xff) : .signaled(status & 0x7f)
  }

  /// A handle to a process (pidfd_open(2), Linux 5.3).
  public static func open(pid: Int32) throws(Failure) -> Descriptor {
    Descriptor(owning: try check("open process", "\(pid)") { clx_pidfd_open(pid, 0) })
  }

  /// The number of a process's pidfd, which no other process gets before the next boot (pidfs, Linux 6.9);
  /// nil where pidfds have no numbers of their own.
  public static func inode(of pid: Int32) -> UInt64? {
    let fd = clx_pidfd_open(pid, 0)
    guard fd >= 0 else { return nil }
    let handle = Descriptor(owning: fd)
    guard clx_statfs_type(fd) == 0x5049_4446 /* PID_FS_MAGIC */ else { return nil }
    return try? handle.fileStatus().inode
  }

  /// Whether the process with this ``inode(of:)`` still runs, in this boot; nil when that cannot be told.
  ///
  /// Takes a third of the time of reading /proc/PID/stat.
  public static func isAlive(pid: Int32, inode: UInt64) -> Bool? {
    let fd = clx_pidfd_open(pid, 0)
    guard fd >= 0 else { return Glibc.errno == ESRCH ? false : nil }
    let handle = Descriptor(owning: fd)
    guard let status = try? handle.fileStatus() else { return nil }
    // A zombie's pidfd is readable.
    return status.inode == inode && !Watch.hasInput(fd)
  }

  /// Sends a signal to exactly the process that was recorded; false when it is gone.
  @discardableResult
  public static func signal(_ process: ProcessIdentity, _ signal: Int32) throws(Failure) -> Bool {
    let fd = clx_pidfd_open(process.pid, 0)
    if fd < 0 { return false }
    let handle = Descriptor(owning: fd)
    // The pidfd pins whatever has the pid now: only then is the identity compared.
    guard process.isAlive else { return false }
    if clx_pidfd_send_signal(handle.raw, signal) < 0 {
      if Glibc.errno == ESRCH { return false }
      throw .last("signal", "process \(process.pid)")
    }
    return true
  }

  /// Sends a signal to the process behind a pidfd (Linux 5.1); one that has ended gets none.
  public static func signal(_ handle: borrowing Descriptor, _ signal: Int32) {
    _ = clx_pidfd_send_signal(handle.raw, signal)
  }

  /// fork(2): runs `body` in the child, which ends with its result. The caller must have no thread.
  public static func fork(_ body: () -> Int32) throws(Failure) -> Child {
    var pidfd: Int32 = -1
    let pid = try check("fork", "") { clx_clone3(0, &pidfd, -1) }
    if pid == 0 { Glibc._exit(body()) }
    return Child(pid: pid, handle: Descriptor(owning: pidfd))
  }

  /// This boot of the machine, to tell records of an earlier one.
  public static func bootIdentity() -> String {
    Files.text("/proc/sys/kernel/random/boot_id") ?? "unknown"
  }
}

/// A child process and the handle to it.
@frozen
public struct Child: ~Copyable, Sendable {
  /// The child's pid in the caller's pid namespace; the caller has to reap it.
  public let pid: Int32
  /// The pidfd.
  public var handle: Descriptor

  /// A child by pid and pidfd.
  public init(pid: Int32, handle: consuming Descriptor) {
    self.pid = pid
    self.handle = handle
  }
}
