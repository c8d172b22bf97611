import Glibc
import Linux

extension MinidockFixture {
  /// The cgroup below which this installation's containers are, as minidock names it: "/minidock-" and
  /// four bytes of the root's FNV-1a hash.
  public var cgroupParent: String {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in root.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    return "minidock-" + hex((0..<4).map { UInt8(truncatingIfNeeded: hash >> ($0 * 8)) })
  }

  /// The name of the tables of packet rules, as minidock makes it of the root's mixed FNV-1a hash.
  public var table: String {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in root.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    hash ^= hash >> 32
    hash = hash &* 0x9e37_79b9_7f4a_7c15
    hash ^= hash >> 29
    return "minidock_" + hex((0..<4).map { UInt8(truncatingIfNeeded: hash >> (24 - $0 * 8)) })
  }

  /// The bridge's link name; nil while there is none.
  public var bridge: String? { networkRecord?["device"] }

  /// Everything that finished and removed containers should not have left: mounts, links, cgroups,
  /// processes, leases, records, names, half-made images. Empty when all is well.
  ///
  /// - Parameter containers: how many containers may still have a record.
  public func leaks(containers: Int = 0) throws -> [String] {
    var found: [String] = []
    let mounts = Files.text("/proc/self/mountinfo") ?? ""
    found += mounts.split(separator: "\n").filter { $0.contains(directory) }.map { "mount \($0)" }
    if let bridge {
      found += try Files.list("/sys/class/net/\(bridge)/brif").map { "link \($0)" }
    }
    found += cgroups.filter { $0.hasSuffix(cgroupParent) == false }.map { "cgroup \($0)" }
    found += processes().map { "process \($0)" }
    for folder in ["run/containers", "run/leases/bridge/by-owner", "run/leases/bridge/by-address"] {
      let names = try list(folder)
      if names.count > containers { found += names.map { "\(folder)/\($0)" } }
    }
    let records = try list("root/containers")
    if records.count > containers { found += records.map { "container \($0)" } }
    found += try list("root/ingest").map { "root/ingest/\($0)" }
    // The names of images are there too, each with its tag.
    let names = try list("root/names").filter { !$0.contains(":") }
    if names.count > containers { found += names.map { "name \($0)" } }
    // What was discarded may wait in the trash for the next command; every list empties it.
    try minidock("ps", "-aq")
    found += try list("root/trash").map { "root/trash/\($0)" }
    return found
  }

  /// Ids of processes that belong to this installation: monitors by their environment or arguments,
  /// containers by their cgroup.
  public func processes() -> [Int32] {
    var found = Set<Int32>()
    for group in cgroups {
      for line in (Files.text(group + "/cgroup.procs") ?? "").split(separator: "\n") {
        if let pid = Int32(line) { found.insert(pid) }
      }
    }
    let marks = [Array(root.utf8), Array(runRoot.utf8)]
    for name in (try? Files.list("/proc")) ?? [] {
      guard let pid = Int32(name), pid != getpid(),
        let executable = readLink("/proc/\(pid)/exe"), executable.hasSuffix("/minidock")
      else { continue }
      let words =
        ((try? Files.read("/proc/\(pid)/environ")) ?? [])
        + ((try? Files.read("/proc/\(pid)/cmdline")) ?? [])
      let isOurs = words.split(separator: 0).contains { word in
        marks.contains { mark in word.count >= mark.count && word.suffix(mark.count) == mark[...] }
      }
      if isOurs { found.insert(pid) }
    }
    return found.sorted()
  }

  /// Ends and undoes everything; what was undone already does not matter.
  func cleanUp() {
    for pid in processes() { kill(pid, SIGKILL) }
    // Several rounds: a process that is just being made is not in its group yet.
    for _ in 0..<200 {
      let left = processes()
      if left.isEmpty { break }
      for pid in left { kill(pid, SIGKILL) }
      usleep(5000)
    }
    for group in cgroups.reversed() { rmdir(group) }
    // Before the bridges, whose subnets are free for others without them. There are rules even where no
    // container ever used the default network.
    if Files.exists(runRoot + "/firewall") {
      for family in ["inet", "bridge"] {
        _ = try? TestSupport.run(["nft", "delete", "table", family, table])
      }
    }
    // Networks by name have bridges of their own.
    for name in (try? Files.list(root + "/networks")) ?? [] where name != "bridge" {
      if let bytes = try? Files.read("\(root)/networks/\(name)"),
        let device = FieldText(parsing: bytes)["device"], device.hasPrefix("md-")
      {
        _ = try? TestSupport.run(["ip", "link", "del", device])
      }
    }
    if let device = networkRecord?["device"] {
      _ = try? TestSupport.run(["ip", "link", "del", device])
    }
    let mounts = (Files.text("/proc/self/mountinfo") ?? "").split(separator: "\n")
    for line in mounts.reversed() where line.contains(directory) {
      let fields = line.split(separator: " ")
      if fields.count > 4 { umount2(String(fields[4]), Int32(MNT_DETACH)) }
    }
    try? Files.removeTree(directory)
  }

  // The installation's groups in every hierarchy, parents before children.
  private var cgroups: [String] {
    var found: [String] = []
    let top = "/sys/fs/cgroup"
    let hierarchies = ((try? Files.list(top)) ?? []).map { "\(top)/\($0)" } + [top]
    for hierarchy in hierarchies {
      var queue = ["\(hierarchy)/\(cgroupParent)"]
      while !queue.isEmpty {
        let path = queue.removeFirst()
        guard access(path + "/cgroup.procs", F_OK) == 0 else { continue }
        found.append(path)
        for name in (try? Files.list(path)) ?? [] where isDirectory("\(path)/\(name)") {
          queue.append("\(path)/\(name)")
        }
      }
    }
    return found
  }

  private var networkRecord: FieldText? {
    for path in [root + "/networks/bridge", runRoot + "/networks/bridge"] {
      if let bytes = try? Files.read(path) { return FieldText(parsing: bytes) }
    }
    return nil
  }

  private func list(_ folder: String) throws -> [String] {
    let path = folder.hasPrefix("run/") ? runRoot + folder.dropFirst(3) : root + folder.dropFirst(4)
    return Files.exists(path) ? try Files.list(path) : []
  }

  private func isDirectory(_ path: String) -> Bool {
    var info = stat()
    return lstat(path, &info) == 0 && info.st_mode & S_IFMT == S_IFDIR
  }

  private func readLink(_ path: String) -> String? {
    var space = [CChar](repeating: 0, count: 4096)
    let count = readlink(path, &space, space.count - 1)
    guard count > 0 else { return nil }
    return String(decoding: space[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
