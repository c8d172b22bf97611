import Linux

/// Who a container's process runs as, once names are resolved.
public struct ResolvedUser: Sendable, Equatable {
  /// 0 to 4294967294.
  public var uid: UInt32 = 0
  /// The primary group; 0 for a number that /etc/passwd does not have.
  public var gid: UInt32 = 0
  /// Supplementary groups.
  public var groups: [UInt32] = []
  /// The home directory, "/" when unknown.
  public var home = "/"

  /// Root with nothing looked up.
  public init() {}
}

/// Resolves docker's `--user` text against the container's own /etc/passwd and /etc/group.
///
/// Digits are always a number, in the range 0 to 4294967294, and never a name, whatever the files say
/// (CVE-2024-40635, security row 14). The files are read through the container's root as regular files
/// of at most 8 MiB (row 15); no name service of image or host is asked (row 17).
public struct UserLookup: Sendable {
  private let passwd: [Account]
  private let group: [Group]

  struct Account: Equatable {
    var name: String
    var uid: UInt32
    var gid: UInt32
    var home: String
  }

  struct Group: Equatable {
    var name: String
    var gid: UInt32
    var members: [String]
  }

  /// The largest /etc/passwd or /etc/group that is read, in bytes.
  public static let sizeLimit = 8 << 20

  /// Reads the files of the container at `root`; missing files are empty ones.
  public init(root: borrowing Root) throws(Failure) {
    try self.init(
      passwd: root.readFile("/etc/passwd", limit: UserLookup.sizeLimit) ?? [],
      group: root.readFile("/etc/group", limit: UserLookup.sizeLimit) ?? [])
  }

  /// Parses the files' contents; malformed lines are skipped.
  public init(passwd: [UInt8], group: [UInt8]) {
    self.passwd = UserLookup.rows(passwd, atLeast: 4).compactMap { fields in
      guard let uid = UserLookup.id(fields[2]), let gid = UserLookup.id(fields[3]) else {
        return nil
      }
      return Account(
        name: fields[0], uid: uid, gid: gid, home: fields.count > 5 ? fields[5] : "/")
    }
    self.group = UserLookup.rows(group, atLeast: 3).compactMap { fields in
      guard let gid = UserLookup.id(fields[2]) else { return nil }
      let members = fields.count > 3 ? fields[3].split(separator: ",").map(String.init) : []
      return Group(name: fields[0], gid: gid, members: members)
    }
  }

  /// Resolves "user", "user:group" and the numeric forms; "" is root.
  ///
  /// - Throws: ``Failure/Code/invalid`` for a number out of range or an empty part,
  ///   ``Failure/Code/notFound`` for an unknown name.
  public func resolve(_ text: String) throws(Failure) -> ResolvedUser {
    var result = ResolvedUser()
    let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
      .map(String.init)
    let userPart = parts.first ?? ""
    if parts.count == 2 && parts[1].isEmpty {
      throw Failure(.invalid, "look up user", text, reason: "the group is empty")
    }
    let account = try find(userPart.isEmpty ? "0" : userPart, in: text)
    result.uid = account.uid
    result.gid = account.gid
    result.home = account.home.hasPrefix("/") ? account.home : "/"
    if parts.count == 2 {
      result.gid = try findGroup(parts[1], in: text)
    } else if !account.name.isEmpty {
      result.groups = group.filter { $0.members.contains(account.name) }.map(\.gid)
    }
    return result
  }

  /// A group by number or name, for `--group-add`.
  public func findGroup(_ part: String, in text: String) throws(Failure) -> UInt32 {
    if UserLookup.isNumber(part) { return try UserLookup.number(part, in: text) }
    guard let match = group.first(where: { $0.name == part }) else {
      throw Failure(
        .notFound, "look up group", part, reason: "no such group in the container's /etc/group")
    }
    return match.gid
  }

  private func find(_ part: String, in text: String) throws(Failure) -> Account {
    if UserLookup.isNumber(part) {
      let uid = try UserLookup.number(part, in: text)
      return passwd.first { $0.uid == uid } ?? Account(name: "", uid: uid, gid: 0, home: "/")
    }
    guard let account = passwd.first(where: { $0.name == part }) else {
      throw Failure(
        .notFound, "look up user", part, reason: "no such user in the container's /etc/passwd")
    }
    return account
  }

  // A leading sign makes a number too: "-1" is a wrong number, not a name.
  private static func isNumber(_ text: String) -> Bool {
    var digits = text[...]
    if let first = digits.first, first == "-" || first == "+" { digits.removeFirst() }
    return !digits.isEmpty && digits.utf8.allSatisfy { (48...57).contains($0) }
  }

  private static func number(_ part: String, in text: String) throws(Failure) -> UInt32 {
    guard let value = id(part) else {
      throw Failure(
        .invalid, "look up user", text,
        reason: "\(part) is not a number from 0 to 4294967294")
    }
    return value
  }

  private static func id(_ text: String) -> UInt32? {
    guard !text.isEmpty, text.utf8.allSatisfy({ (48...57).contains($0) }), text.utf8.count <= 10,
      let value = UInt64(text), value < 4_294_967_295
    else { return nil }
    return UInt32(value)
  }

  private static func rows(_ bytes: [UInt8], atLeast count: Int) -> [[String]] {
    bytes.split(separator: UInt8(ascii: "\n")).compactMap { line in
      let fields = line.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
        .map { String(decoding: $0, as: UTF8.self) }
      return fields.count >= count && !fields[0].isEmpty ? fields : nil
    }
  }
}
