import CLinux
import Glibc

/// The packet rules of iptables-legacy in the calling thread's network namespace
/// (linux/netfilter_ipv4/ip_tables.h), which netlink does not show.
public enum LegacyTables {
  /// What becomes of forwarded IPv4 packets that no rule of the table `filter` names.
  public struct Forwarding: Sendable, Equatable {
    /// Whether the policy of the chain FORWARD is DROP.
    public let refuses: Bool
    /// All rules of the table, as the kernel lays them out.
    public let entries: [UInt8]
  }

  /// nil where nobody has used iptables-legacy, or this kernel has none.
  ///
  /// - Throws: getsockopt(2)'s failure: EPERM without CAP_NET_ADMIN.
  public static func forwarding() throws(Failure) -> Forwarding? {
    // Asking would make the table.
    guard let names = Files.text("/proc/thread-self/net/ip_tables_names"),
      names.split(separator: "\n").contains("filter")
    else { return nil }
    let descriptor = Descriptor(
      owning: try check("create", "raw socket") {
        socket(AF_INET, Int32(SOCK_RAW.rawValue | SOCK_CLOEXEC.rawValue), Int32(IPPROTO_RAW))
      })
    // struct ipt_getinfo: a name of 32 bytes, valid hooks, 5 entries, 5 underflows, count, size.
    var info = [UInt8](repeating: 0, count: 84)
    info.replaceSubrange(0..<6, with: Array("filter".utf8))
    try get(descriptor, 64, &info)
    let size = Int(number(info, 80))
    // struct ipt_get_entries: name, size, and the entries, aligned to 8 bytes.
    var blob = [UInt8](repeating: 0, count: 40 + size)
    blob.replaceSubrange(0..<6, with: Array("filter".utf8))
    withUnsafeBytes(of: UInt32(size)) { blob.replaceSubrange(32..<36, with: $0) }
    try get(descriptor, 65, &blob)
    let entries = Array(blob[40...])
    // A chain's policy is its last entry: struct ipt_entry, whose target begins at target_offset and has
    // its verdict behind 32 bytes, -1 for NF_DROP. NF_INET_FORWARD is the third hook.
    let policy = Int(number(info, 36 + 5 * 4 + 2 * 4))
    guard policy + 112 <= entries.count else { return nil }
    let target = policy + (Int(entries[policy + 88]) | Int(entries[policy + 89]) << 8)
    guard target + 36 <= entries.count else { return nil }
    return Forwarding(refuses: number(entries, target + 32) == UInt32.max, entries: entries)
  }

  private static func number(_ bytes: [UInt8], _ offset: Int) -> UInt32 {
    bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: UInt32.self) }
  }

  private static func get(
    _ descriptor: borrowing Descriptor, _ option: Int32, _ bytes: inout [UInt8]
  ) throws(Failure) {
    let raw = descriptor.raw
    var length = socklen_t(bytes.count)
    let result = bytes.withUnsafeMutableBytes {
      getsockopt(raw, Int32(IPPROTO_IP), option, $0.baseAddress, &length)
    }
    if result < 0 { throw .last("read", "iptables-legacy rules") }
  }
}
