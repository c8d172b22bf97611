import Linux

/// Where this host keeps its cgroup controllers.
///
/// On a v2 host all are in one tree; on a v1 host each (or each few) has a tree of its own; a hybrid
/// host has v1 trees and a v2 tree, usually at /sys/fs/cgroup/unified, that holds the rest, if any. So a
/// controller is looked up here and nowhere assumed.
public struct CgroupHierarchy: Sendable, Equatable {
  /// Which of the three arrangements the host has.
  public enum Mode: String, Sendable { case v2, hybrid, v1 }

  /// The arrangement.
  public let mode: Mode
  /// The mount point of the v2 tree; nil on a pure v1 host.
  public let unified: String?
  /// The controllers that the v2 tree offers at its root, by their v2 names.
  public let unifiedControllers: [String]
  /// v1 mount points by controller.
  let mounts: [CgroupController: String]

  init(
    unified: String?, unifiedControllers: [String], mounts: [CgroupController: String]
  ) {
    self.unified = unified
    self.unifiedControllers = unifiedControllers
    self.mounts = mounts
    mode = unified == nil ? .v1 : mounts.isEmpty ? .v2 : .hybrid
  }

  /// Reads /proc/self/mountinfo and the v2 root's cgroup.controllers.
  ///
  /// - Throws: ``Failure/Code/unsupported`` when no cgroup file system is mounted.
  public static func detect() throws(Failure) -> CgroupHierarchy {
    guard let mountinfo = ControlDirectory.bytes(of: "/proc/self/mountinfo") else {
      throw Failure(
        .unsupported, "find cgroups", "/proc/self/mountinfo", reason: "it cannot be read",
        remedy: "mount /proc")
    }
    return try CgroupHierarchy(mountinfo: mountinfo)
  }

  /// The hierarchy that a mountinfo text describes (proc_pid_mountinfo(5)).
  init(mountinfo: [UInt8]) throws(Failure) {
    var unified: String?
    var mounts: [CgroupController: String] = [:]
    for line in CgroupMount.parse(mountinfo) {
      // The first mount of a tree counts: later ones are bind mounts, often of a subgroup.
      if line.isUnified {
        if unified == nil { unified = line.mountPoint }
        continue
      }
      for option in line.superOptions {
        guard let controller = CgroupController(rawValue: option), mounts[controller] == nil else {
          continue
        }
        mounts[controller] = line.mountPoint
      }
    }
    guard unified != nil || !mounts.isEmpty else {
      throw Failure(
        .unsupported, "find cgroups", "", reason: "no cgroup file system is mounted",
        remedy: "mount -t cgroup2 cgroup2 /sys/fs/cgroup")
    }
    let controllers = unified.map { ControlDirectory($0).words("cgroup.controllers") } ?? []
    self.init(unified: unified, unifiedControllers: controllers, mounts: mounts)
  }

  /// Where a controller's files are for groups of this host; nil when it has no such controller.
  ///
  /// On v2, freezer, devices (eBPF) and CPU accounting belong to every group.
  func version(of controller: CgroupController) -> CgroupVersion? {
    if mounts[controller] != nil { return .v1 }
    guard unified != nil else { return nil }
    switch controller {
    case .freezer, .devices, .cpuacct: return .v2
    case .networkClass, .networkPriority: return nil
    default: return unifiedControllers.contains(controller.unifiedName ?? "") ? .v2 : nil
    }
  }

  /// Whether limits of swap can be set here: memory and swap are accounted together on v1 only with
  /// `swapaccount=1` on the kernel's command line, and on v2 only in a kernel built with CONFIG_SWAP.
  public var accountsSwap: Bool {
    if let mount = mounts[.memory] {
      return ControlDirectory(mount).has("memory.memsw.limit_in_bytes")
    }
    guard let unified, unifiedControllers.contains("memory") else { return false }
    // The root has no memory.swap.max; any group below with the memory controller tells.
    let root = ControlDirectory(unified)
    for name in root.subdirectories() {
      let group = ControlDirectory(root.file(name))
      if group.has("memory.max") { return group.has("memory.swap.max") }
    }
    return ControlDirectory("/proc/sys/vm").has("swappiness")
  }

  /// The failure to report when a limit is asked for whose controller is missing.
  func missing(_ controller: CgroupController, limit: String) -> Failure {
    let name = mode == .v1 ? controller.rawValue : controller.unifiedName ?? controller.rawValue
    return Failure(
      .unsupported, "set", limit, reason: "this host has no \(name) cgroup controller",
      remedy: mode == .v2
        ? "enable it in the kernel, or for this container's parent in cgroup.subtree_control"
        : "enable it in the kernel (see /proc/cgroups) and mount it, or leave the limit out")
  }
}

/// A cgroup line of mountinfo.
struct CgroupMount: Equatable {
  var isUnified: Bool
  var mountPoint: String
  var superOptions: [String]

  /// The cgroup mounts in the order they were made. A host may have thousands of other mounts, so that
  /// a line is looked into only after its type has been seen.
  static func parse(_ mountinfo: [UInt8]) -> [CgroupMount] {
    var found: [CgroupMount] = []
    let marker: [UInt8] = Array(" - cgroup".utf8)
    mountinfo.withUnsafeBufferPointer { text in
      var start = 0
      while start < text.count {
        var end = start
        var separator = -1
        while end < text.count, text[end] != UInt8(ascii: "\n") {
          // " - " ends the optional fields; only the first counts.
          if text[end] == UInt8(ascii: "-"), separator < 0, end > start, text[end - 1] == 32,
            end + 1 < text.count, text[end + 1] == 32
          {
            separator = end - 1
          }
          end += 1
        }
        if separator >= 0, end - separator > marker.count,
          text[separator..<(separator + marker.count)].elementsEqual(marker),
          let mount = CgroupMount(
            fields: text[start..<separator], type: text[(separator + 3)..<end])
        {
          found.append(mount)
        }
        start = end + 1
      }
    }
    return found
  }

  private init?(
    fields: Slice<UnsafeBufferPointer<UInt8>>, type: Slice<UnsafeBufferPointer<UInt8>>
  ) {
    let left = fields.split(separator: 32)
    let right = type.split(separator: 32)
    guard left.count >= 5, right.count >= 3 else { return nil }
    switch String(decoding: right[0], as: UTF8.self) {
    case "cgroup2": isUnified = true
    case "cgroup": isUnified = false
    default: return nil
    }
    mountPoint = CgroupMount.unescape(left[4])
    superOptions = right[right.count - 1].split(separator: UInt8(ascii: ","))
      .map { String(decoding: $0, as: UTF8.self) }
  }

  // Space, tab, line feed and backslash appear as \040, \011, \012 and \134.
  private static func unescape(_ text: Slice<UnsafeBufferPointer<UInt8>>) -> String {
    var result: [UInt8] = []
    var rest = text[...]
    while let byte = rest.popFirst() {
      let digits = rest.prefix(3).compactMap { (48...55).contains($0) ? Int($0 - 48) : nil }
      if byte == UInt8(ascii: "\\"), digits.count == 3 {
        result.append(UInt8(truncatingIfNeeded: digits[0] * 64 + digits[1] * 8 + digits[2]))
        rest = rest.dropFirst(3)
      } else {
        result.append(byte)
      }
    }
    return String(decoding: result, as: UTF8.self)
  }
}
