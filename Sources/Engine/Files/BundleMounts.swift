import Linux
import Runtime

/// What a container's bundle says about its mounts.
enum BundleMounts {
  /// The host's files and directories that are bound in a container, from its config.json; none when it
  /// was never started. What is bound below /proc, /sys and /dev is left out.
  ///
  /// - Throws: ``Failure/Code/corrupt`` for a document that is none.
  static func binds(bundle: String) throws(Failure) -> [Spec.Mount] {
    let path = bundle + "/config.json"
    guard let bytes = try Files.read(path, limit: 4 << 20) else { return [] }
    let spec: Spec
    do throws(JSONFault) {
      spec = try Spec(json: try JSONValue(parsing: bytes))
    } catch {
      throw Failure(.corrupt, "read", path, reason: "it is no OCI specification: \(error.reason)")
    }
    return (spec.mounts ?? []).filter { mount in
      let options = mount.options ?? []
      guard mount.type == "bind" || options.contains("bind") || options.contains("rbind") else {
        return false
      }
      let top = mount.destination.split(separator: "/").first { $0 != "." } ?? ""
      return !["proc", "sys", "dev"].contains(top)
    }
  }
}
