import CArchive
import Linux

/// A POSIX ACL as an archive holds it: entries may name users and groups by number or, as GNU tar writes
/// them, by name alone. Such names belong to the image: they are looked up in its own /etc/passwd and
/// /etc/group once those are there, never in the host's.
struct AccessList: Equatable {
  struct Entry: Equatable {
    /// The kernel's tag (linux/posix_acl.h).
    var tag: UInt16
    var permissions: UInt16
    /// UInt32.max for the owner, owning group, mask and others.
    var id: UInt32
    /// The name that stands for a number; nil when the number is known.
    var name: [UInt8]?
  }

  static let user: UInt16 = 2
  static let group: UInt16 = 8

  var entries: [Entry] = []

  /// Reads the list of one type from an entry; nil for one that is not POSIX.1e.
  init?(_ entry: OpaquePointer?, _ type: Int32) {
    archive_entry_acl_reset(entry, type)
    var (foundType, permissions, tag, id) = (Int32(0), Int32(0), Int32(0), Int32(0))
    var name: UnsafePointer<CChar>?
    while archive_entry_acl_next(entry, type, &foundType, &permissions, &tag, &id, &name)
      == ARCHIVE_OK
    {
      guard let kernelTag = Self.kernelTags[tag] else { return nil }
      let isNamed = kernelTag == Self.user || kernelTag == Self.group
      let needsName = isNamed && id < 0
      entries.append(
        Entry(
          tag: kernelTag, permissions: UInt16(permissions & 7),
          id: isNamed && !needsName ? UInt32(bitPattern: id) : UInt32.max,
          name: needsName ? name.map { Array(String(cString: $0).utf8) } ?? [] : nil))
    }
  }

  private static let kernelTags: [Int32: UInt16] = [
    ARCHIVE_ENTRY_ACL_USER_OBJ: 1, ARCHIVE_ENTRY_ACL_USER: user, ARCHIVE_ENTRY_ACL_GROUP_OBJ: 4,
    ARCHIVE_ENTRY_ACL_GROUP: group, ARCHIVE_ENTRY_ACL_MASK: 16, ARCHIVE_ENTRY_ACL_OTHER: 32,
  ]

  /// The kernel's form (linux/posix_acl_xattr.h): version 2, then the entries sorted by tag and id; nil
  /// while a name has no number.
  var bytes: [UInt8]? {
    guard entries.allSatisfy({ $0.name == nil }) else { return nil }
    var writer = WireWriter()
    writer.put(UInt32(2))
    for entry in entries.sorted(by: { ($0.tag, $0.id) < ($1.tag, $1.id) }) {
      writer.put(entry.tag)
      writer.put(entry.permissions)
      writer.put(entry.id)
    }
    return writer.bytes
  }

  /// Gives the names their numbers in the image.
  ///
  /// - Throws: ``Failure/Code/refused`` for a name that the image does not know: leaving the entry out
  ///   could grant what it denies.
  mutating func resolve(_ accounts: Accounts, path: [UInt8]) throws(Failure) {
    for index in entries.indices {
      guard let name = entries[index].name else { continue }
      let isUser = entries[index].tag == Self.user
      guard let id = isUser ? accounts.users[name] : accounts.groups[name] else {
        throw Failure(
          .refused, "unpack", Root.printable(path),
          reason:
            "its ACL names the \(isUser ? "user" : "group") \(Root.printable(name)), whom the image's /etc/\(isUser ? "passwd" : "group") does not know",
          remedy: "make the archive with numbers (bsdtar does)")
      }
      entries[index].id = id
      entries[index].name = nil
    }
  }
}

/// The names and numbers of an image's users and groups.
struct Accounts {
  var users: [[UInt8]: UInt32] = [:]
  var groups: [[UInt8]: UInt32] = [:]

  /// Reads /etc/passwd and /etc/group inside the tree: regular files of at most 8 MiB (row 15).
  init(_ root: borrowing Root) throws(Failure) {
    users = Self.parse(try root.readFile("etc/passwd", limit: 8 << 20) ?? [])
    groups = Self.parse(try root.readFile("etc/group", limit: 8 << 20) ?? [])
  }

  /// "name:password:number:…"; the first line of a name counts, as in getpwnam(3).
  static func parse(_ text: [UInt8]) -> [[UInt8]: UInt32] {
    var numbers: [[UInt8]: UInt32] = [:]
    for line in text.split(separator: UInt8(ascii: "\n")) {
      let fields = line.split(
        separator: UInt8(ascii: ":"), maxSplits: 3, omittingEmptySubsequences: false)
      guard fields.count > 2, !fields[2].isEmpty,
        fields[2].allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
        let number = UInt32(String(decoding: fields[2], as: UTF8.self)), number != UInt32.max
      else { continue }
      let name = Array(fields[0])
      if numbers[name] == nil { numbers[name] = number }
    }
    return numbers
  }
}
