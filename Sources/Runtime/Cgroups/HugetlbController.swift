import Linux

/// The hugetlb controller of one group (cgroup-v1/hugetlb.rst, cgroup-v2.rst).
struct HugetlbController {
  let directory: ControlDirectory
  let version: CgroupVersion

  init(_ root: String, _ version: CgroupVersion) {
    directory = ControlDirectory(root)
    self.version = version
  }

  /// Limits huge pages by size.
  func apply(_ limits: [Resources.HugepageLimit]) throws(Failure) {
    let suffix = version == .v1 ? "limit_in_bytes" : "max"
    for limit in limits {
      // The size becomes part of a file name.
      guard !limit.pageSize.isEmpty,
        limit.pageSize.utf8.allSatisfy({ (48...57).contains($0) || (65...90).contains($0) })
      else {
        throw Failure(
          .invalid, "set", "huge page limit", reason: "\"\(limit.pageSize)\" is no page size",
          remedy: "write it like 2MB or 1GB")
      }
      let name = "huge page limit \(limit.pageSize)"
      try directory.set(name, "hugetlb.\(limit.pageSize).\(suffix)", String(limit.limit))
      // Reservations are limited alike where the kernel can (5.7), or the limit comes as SIGBUS later.
      let reserved = "hugetlb.\(limit.pageSize).rsvd.\(suffix)"
      if directory.has(reserved) { try directory.set(name, reserved, String(limit.limit)) }
    }
  }
}
