import Glibc

/// The error numbers (errno(3)) that modules above this one act on, under their own names, so that
/// they need not import the C library.
public enum ErrorNumber {
  /// EAGAIN.
  public static let again = EAGAIN
  /// EEXIST.
  public static let exists = EEXIST
  /// EINTR.
  public static let interrupted = EINTR
  /// EAFNOSUPPORT.
  public static let noAddressFamily = EAFNOSUPPORT
  /// ENOBUFS.
  public static let noBufferSpace = ENOBUFS
  /// ENAMETOOLONG.
  public static let nameTooLong = ENAMETOOLONG
  /// EISDIR.
  public static let isDirectory = EISDIR
  /// EROFS: the mount or file system is read-only.
  public static let readOnly = EROFS
  /// ENODEV.
  public static let noDevice = ENODEV
  /// ENOENT.
  public static let noEntry = ENOENT
  /// ENOSYS: the kernel lacks the call.
  public static let noSystemCall = ENOSYS
  /// ESRCH: no such process.
  public static let noProcess = ESRCH
  /// EACCES: permission denied.
  public static let accessDenied = EACCES
  /// ELOOP: a link where none may be followed.
  public static let linkLoop = ELOOP
  /// ENOEXEC: not in a format that can be executed.
  public static let noExecutable = ENOEXEC
  /// ENOSPC: no space left on the device.
  public static let noSpace = ENOSPC
  /// ENOTDIR: not a directory.
  public static let notDirectory = ENOTDIR
  /// EPERM: operation not permitted.
  public static let notPermitted = EPERM
  /// EDQUOT: disk quota exceeded.
  public static let quotaExceeded = EDQUOT
  /// In use: an element with another value, a link, a device.
  public static let busy = EBUSY
  /// An address and port that somebody else has.
  public static let addressInUse = EADDRINUSE
  /// An address that is none of this host's.
  public static let addressNotAvailable = EADDRNOTAVAIL
  /// A family, protocol or operation that this kernel lacks.
  public static let notSupported = EOPNOTSUPP
  /// nf_tables: another transaction came first. The kernel's own number, which no header has.
  public static let restart: Int32 = 85
}
