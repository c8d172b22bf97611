import Linux

/// Mounting the container's root and settling it once it is "/".
enum RootMount {
  /// Makes the root a mount of this mount namespace, as pivot_root(2) wants it.
  static func attach(_ root: RootSource) throws(Failure) {
    switch root {
    case .directory(let path):
      let clone = try DetachedMount.clone(path: path, recursive: true)
      try clone.attach(to: try Descriptor.open(path, .path), object: path)
    case .overlay(let overlay):
      try attach(overlay)
    }
  }

  private static func attach(_ overlay: Overlay) throws(Failure) {
    let options = options(of: overlay)
    // mount(2) takes one page of options; the paths are relative to the base to make most of it.
    guard options.utf8.count < 4000 else { return try attachLarge(overlay) }
    try ThisProcess.changeDirectory(overlay.base)
    do throws(Failure) {
      try Mounts.mount(source: "overlay", target: overlay.target, type: "overlay", data: options)
    } catch  where error.errno == ErrorNumber.noDevice {
      throw error.withRemedy("this kernel has no overlayfs: load the module overlay")
    }
  }

  static func options(of overlay: Overlay) -> String {
    // overlayfs lists the uppermost lower directory first.
    var text = "lowerdir=" + overlay.lower.reversed().joined(separator: ":")
    text += ",upperdir=\(overlay.upper),workdir=\(overlay.work)"
    if overlay.volatile { text += ",volatile" }
    return text
  }

  // Layer by layer through the new mount API, which has no such limit (lowerdir+: Linux 6.5).
  private static func attachLarge(_ overlay: Overlay) throws(Failure) {
    func absolute(_ path: String) -> String {
      path.hasPrefix("/") ? path : overlay.base + "/" + path
    }
    var options = overlay.lower.reversed().map { "lowerdir+=" + absolute($0) }
    options.append("upperdir=" + absolute(overlay.upper))
    options.append("workdir=" + absolute(overlay.work))
    if overlay.volatile { options.append("volatile") }
    let mounted = try DetachedMount.make(
      type: "overlay", source: "overlay", options: options, object: overlay.target)
    try mounted.attach(to: try Descriptor.open(overlay.target, .path), object: overlay.target)
  }

  /// Propagation and writability of the new "/"; the mounts below keep their own.
  static func finish(propagation: Propagation, readOnly: Bool) throws(Failure) {
    let root = try Descriptor.open("/", .path)
    if propagation != .slave {
      try setMountAttributes(
        root, set: [], propagation: propagation, recursive: true, object: "/")
    }
    if readOnly { try setMountAttributes(root, set: .readOnly, object: "/") }
  }
}
