import CArchive
import Linux

// From the kernel's form of an ACL into an archive's entry.
extension AccessList {
  /// Reads the kernel's form (linux/posix_acl_xattr.h); nil for another version or length.
  init?(kernel bytes: [UInt8]) {
    var reader = WireReader(bytes)
    guard bytes.count % 8 == 4, (try? reader.get(UInt32.self)) == 2 else { return nil }
    while !reader.isAtEnd {
      guard let tag = try? reader.get(UInt16.self), let permissions = try? reader.get(UInt16.self),
        let id = try? reader.get(UInt32.self)
      else { return nil }
      entries.append(Entry(tag: tag, permissions: permissions, id: id, name: nil))
    }
  }

  /// Adds all entries, by number, to an archive's entry.
  func add(to entry: OpaquePointer, _ type: Int32) {
    for item in entries {
      guard let tag = Self.archiveTags[item.tag] else { continue }
      let isNamed = item.tag == Self.user || item.tag == Self.group
      archive_entry_acl_add_entry(
        entry, type, Int32(item.permissions), tag, isNamed ? Int32(bitPattern: item.id) : -1, nil)
    }
  }

  private static let archiveTags: [UInt16: Int32] = [
    1: ARCHIVE_ENTRY_ACL_USER_OBJ, user: ARCHIVE_ENTRY_ACL_USER, 4: ARCHIVE_ENTRY_ACL_GROUP_OBJ,
    group: ARCHIVE_ENTRY_ACL_GROUP, 16: ARCHIVE_ENTRY_ACL_MASK, 32: ARCHIVE_ENTRY_ACL_OTHER,
  ]
}
