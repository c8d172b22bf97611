import CLinux
import Glibc

extension ThisProcess {
  /// Becomes user and group 0 of the user namespace that it has entered, where that is mapped, and lets go
  /// of the groups outside.
  public static func becomeNamespaceRoot() throws(Failure) {
    // Refused (EPERM) where the namespace forbids setgroups(2): they cannot be used there either.
    _ = clx_setgroups(0, nil)
    if clx_setresgid(0) < 0, Glibc.errno != EINVAL {
      throw .last("become group 0 of", "user namespace")
    }
    if clx_setresuid(0) < 0, Glibc.errno != EINVAL {
      throw .last("become user 0 of", "user namespace")
    }
  }
}

extension Descriptor {
  /// The number of an optional descriptor; nil when there is none.
  public static func borrow(_ descriptor: borrowing Descriptor?) -> Int32? {
    switch descriptor {
    case .some(let it): it.raw
    case .none: nil
    }
  }

  /// Gives an open file to a user, leaving its group (fchown(2)).
  public func changeOwner(uid: UInt32) throws(Failure) {
    try check("change owner of", "descriptor \(raw)") { fchown(raw, uid, UInt32.max) }
  }

  /// The kind of namespace behind a descriptor of /proc/PID/ns/* (NS_GET_NSTYPE, Linux 4.11); nil when it is
  /// none.
  public var namespaceKind: Namespaces? {
    let kind = clx_ioctl_value(raw, CLX_NS_GET_NSTYPE, 0)
    return kind < 0 ? nil : Namespaces(rawValue: UInt64(UInt32(bitPattern: kind)))
  }
}
