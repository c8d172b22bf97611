import Glibc

/// The error numbers (errno(3)) that modules above this one act on, under their own names, so that
/// they need not import the C library.
public enum ErrorNumber {
  public static let again = EAGAIN
  public static let exists = EEXIST
  public static let interrupted = EINTR
  public static let noBufferSpace = ENOBUFS
  public static let noDevice = ENODEV
  public static let noEntry = ENOENT
  public static let noSuchProcess = ESRCH
  public static let notSupported = EOPNOTSUPP
  public static let networkDown = ENETDOWN
}
