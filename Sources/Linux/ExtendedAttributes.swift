import CLinux
import Glibc

/// Extended attributes of held entries (xattr(7)), of every kind: links and devices too.
///
/// There are no calls for O_PATH descriptors before Linux 6.13. "/proc/self/fd/N" leads to exactly the
/// held file, so that no name is looked up again; it is this process's own procfs.
public enum ExtendedAttributes {
  /// The attributes whose names `choose` takes, sorted by name; none where the file system has none.
  ///
  /// One that vanishes meanwhile is left out.
  public static func read(
    _ file: Int32, object: [UInt8], choose: ([UInt8]) -> Bool
  ) throws(Failure) -> [ExtendedAttribute] {
    var attributes: [ExtendedAttribute] = []
    for name in try names(of: file, object: object) where choose(name) {
      guard let value = try value(of: file, name, object: object) else { continue }
      attributes.append(ExtendedAttribute(name: name, value: value))
    }
    return attributes.sorted { $0.name.lexicographicallyPrecedes($1.name) }
  }

  /// One attribute's value; nil when the file has none of this name.
  public static func value(
    of file: Int32, _ name: [UInt8], object: [UInt8]
  ) throws(Failure) -> [UInt8]? {
    let path = path(of: file)
    let name = name + [0]
    var capacity = 256
    while true {
      var count = 0
      let value = [UInt8](unsafeUninitializedCapacity: capacity) { space, used in
        count = name.withCStringBytes { clx_getxattr(path, $0, space.baseAddress, capacity) }
        used = max(0, count)
      }
      if count >= 0 { return value }
      switch Glibc.errno {
      case ERANGE where capacity < 128 << 10: capacity *= 8
      case ENODATA, ENOTSUP: return nil
      default: throw .last("read attribute of", Root.printable(object))
      }
    }
  }

  /// Sets an attribute of a held file.
  public static func set(
    _ attribute: ExtendedAttribute, of file: Int32, object: [UInt8]
  ) throws(Failure) {
    let path = path(of: file)
    let result = (attribute.name + [0]).withCStringBytes {
      clx_setxattr(path, $0, attribute.value, attribute.value.count)
    }
    if result < 0 {
      throw .last("set \(Root.printable(attribute.name)) of", Root.printable(object))
    }
  }

  /// Whether an attribute belongs into an archive or a copy: user.*, trusted.* and security.capability,
  /// but nothing that overlayfs takes as an instruction (row 21). Other security attributes and foreign
  /// namespaces mean nothing elsewhere.
  public static func isPortable(_ name: [UInt8]) -> Bool {
    guard let dot = name.firstIndex(of: UInt8(ascii: ".")) else { return false }
    let space = name[..<dot]
    let rest = name[(dot + 1)...]
    if rest.starts(with: "overlay".utf8) {
      let after = rest.dropFirst(7).first
      if after == nil || after == UInt8(ascii: ".") { return false }
    }
    if space.elementsEqual("user".utf8) || space.elementsEqual("trusted".utf8) { return true }
    return name.elementsEqual("security.capability".utf8)
  }

  private static func names(of file: Int32, object: [UInt8]) throws(Failure) -> [[UInt8]] {
    let path = path(of: file)
    var capacity = 1024
    while true {
      var count = 0
      let list = [UInt8](unsafeUninitializedCapacity: capacity) { space, used in
        count = space.withMemoryRebound(to: CChar.self) {
          clx_listxattr(path, $0.baseAddress, capacity)
        }
        used = max(0, count)
      }
      if count >= 0 { return list.split(separator: 0).map { Array($0) } }
      switch Glibc.errno {
      case ERANGE where capacity < 128 << 10: capacity *= 8
      case ENOTSUP: return []
      default: throw .last("list attributes of", Root.printable(object))
      }
    }
  }

  private static func path(of file: Int32) -> String { "/proc/self/fd/\(file)" }
}

extension ExtendedAttribute {
  /// A file's access control list, in the kernel's form.
  public static let accessList = Array("system.posix_acl_access".utf8)
  /// A directory's list for what will be made in it.
  public static let defaultList = Array("system.posix_acl_default".utf8)
  /// File capabilities (capabilities(7)).
  public static let capability = Array("security.capability".utf8)
}
