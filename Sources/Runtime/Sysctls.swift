import Linux

/// Kernel parameters of the container's own namespaces.
public enum Sysctls {
  /// Writes parameters through a procfs instance of this process's own that is attached nowhere, so
  /// that nothing mounted over the container's /proc can catch or redirect the write (CVE-2025-52881,
  /// security row 7).
  static func apply(_ parameters: [InitPlan.Sysctl]) throws(Failure) {
    guard !parameters.isEmpty else { return }
    try apply(parameters, through: try procfs())
  }

  /// A procfs instance of this process's pid namespace that is attached nowhere.
  ///
  /// In a user namespace the kernel makes one only while a complete one is visible: before the masks.
  static func procfs() throws(Failure) -> Linux.Root {
    let proc = try DetachedMount.make(
      type: "proc", source: "proc", attributes: [.noSetuid, .noDevices, .noExecute],
      object: "sysctl")
    return Linux.Root(try proc.descriptor.duplicate(), name: "/proc")
  }

  static func apply(
    _ parameters: [InitPlan.Sysctl], through tree: borrowing Linux.Root
  ) throws(Failure) {
    for parameter in parameters {
      let path = "sys/" + parameter.name.replacingDots()
      do throws(Failure) {
        let file = try tree.openForWriting(path)
        try file.write(Array(parameter.value.utf8), object: parameter.name)
      } catch {
        throw Failure(
          errno: error.errno, "set sysctl", "\(parameter.name)=\(parameter.value)",
          remedy: error.errno == ErrorNumber.noEntry ? "check the parameter's name" : "")
      }
    }
  }

  /// Whether a parameter belongs to a namespace that the container has to itself, so that setting it
  /// cannot change the host (docker's rule).
  ///
  /// - Throws: ``Failure/Code/refused`` naming the namespace that is missing, or that there is none.
  public static func validate(_ name: String, ownIPC: Bool, ownNetwork: Bool) throws(Failure) {
    let ipc: Set<String> = [
      "kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem", "kernel.shmall",
      "kernel.shmmax", "kernel.shmmni", "kernel.shm_rmid_forced",
    ]
    func refuse(_ reason: String) -> Failure {
      Failure(.refused, "set sysctl", name, reason: reason)
    }
    guard !name.contains("/"), !name.contains(".."), !name.isEmpty else {
      throw Failure(.invalid, "set sysctl", name, reason: "malformed name")
    }
    if ipc.contains(name) || name.hasPrefix("fs.mqueue.") {
      if !ownIPC { throw refuse("the container has no IPC namespace of its own") }
    } else if name.hasPrefix("net.") {
      if !ownNetwork { throw refuse("the container has no network namespace of its own") }
    } else {
      throw refuse("it is not a parameter of a namespace and would change the host")
    }
  }
}

extension String {
  // "net.ipv4.ip_forward" is sys/net/ipv4/ip_forward.
  fileprivate func replacingDots() -> String {
    String(map { $0 == "." ? "/" : $0 })
  }
}
