import Linux

/// The net_cls and net_prio controllers of v1 groups (cgroup-v1/net_cls.rst, net_prio.rst).
enum NetworkController {
  /// Marks the group's packets.
  static func apply(classID: UInt32, root: String) throws(Failure) {
    try ControlDirectory(root).set("network class", "net_cls.classid", String(classID))
  }

  /// Sets the group's priority on interfaces.
  static func apply(
    priorities: [Resources.Network.Priority], root: String
  ) throws(Failure) {
    for entry in priorities {
      try ControlDirectory(root).set(
        "network priority", "net_prio.ifpriomap", "\(entry.name) \(entry.priority)")
    }
  }
}

/// The rdma controller of one group: the same file in v1 and v2 (cgroup-v1/rdma.rst).
enum RDMAController {
  /// Limits handles and objects by device.
  static func apply(_ devices: [String: Resources.RDMA], root: String) throws(Failure) {
    for (name, limit) in devices.sorted(by: { $0.key < $1.key }) {
      var words = [name]
      if let handles = limit.hcaHandles { words.append("hca_handle=\(handles)") }
      if let objects = limit.hcaObjects { words.append("hca_object=\(objects)") }
      try ControlDirectory(root).set(
        "rdma limit", "rdma.max", words.joined(separator: " "))
    }
  }
}
