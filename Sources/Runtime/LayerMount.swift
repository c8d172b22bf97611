import Linux

/// An image's layers put together to be read, without a writable one on top.
public enum LayerMount {
  /// Mounts two layers or more read-only, in this process's mount namespace, which must be its own.
  ///
  /// - Parameters:
  ///   - layers: absolute paths, the lowest first.
  ///   - base: what most of them lie below: mount(2) takes one page of paths, given relative to it.
  ///   - target: an empty directory's absolute path.
  /// - Throws: the failed call; with more than a page of paths before Linux 6.5, EINVAL.
  public static func attach(
    _ layers: [String], base: String, target: String
  ) throws(Failure) {
    let lower = layers.reversed().map { path in
      path.hasPrefix(base + "/") ? String(path.dropFirst(base.count + 1)) : path
    }
    let options = "lowerdir=" + lower.joined(separator: ":")
    if options.utf8.count < 4000 {
      try ThisProcess.changeDirectory(base)
      return try Mounts.mount(
        source: "overlay", target: target, type: "overlay", flags: 1 /* MS_RDONLY */,
        data: options)
    }
    let mounted = try DetachedMount.make(
      type: "overlay", source: "overlay", options: layers.reversed().map { "lowerdir+=" + $0 },
      attributes: [.readOnly], object: target)
    try mounted.attach(to: try Descriptor.open(target, .path), object: target)
  }
}
