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
  /// ENODEV.
  public static let noDevice = ENODEV
  /// ENOENT.
  public static let noEntry = ENOENT
}
