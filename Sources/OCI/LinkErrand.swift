import Linux
import Runtime

/// The way of minidock-oci to `linux.netDevices`: minidock, which speaks netlink, is executed for each link.
///
/// minidock-oci has no netlink of its own, as libmnl, a shared library in Debian, would cost each of its
/// starts as much as the rest of it does; and few bundles have devices.
public enum LinkErrand {
  /// The word by which minidock knows the errand.
  public static let verb = "oci-move-link"

  /// Sends minidock, which is expected beside this program or else in `PATH`.
  ///
  /// - Throws: what minidock failed at, with its errno; or that there is no minidock.
  public static func send(
    _ name: String, as newName: String, into namespace: Int32
  ) throws(Failure) {
    let neighbour = Files.parent(of: try SealedExecutable.ownPath()) + "/minidock"
    guard let program = ProgramCall.find(neighbour) ?? ProgramCall.find("minidock") else {
      throw Failure(
        .unsupported, "move link", name,
        reason: "minidock, which does this for minidock-oci, is neither beside it nor in PATH",
        remedy: "install minidock")
    }
    // The descriptor is closed there, but can be opened again through this process.
    let outcome = try ProgramCall.run(
      program, [verb, name, newName, "/proc/\(ThisProcess.id)/fd/\(namespace)"],
      input: [], limit: 64 << 10)
    if outcome.status == .exited(0) { return }
    guard !outcome.output.isEmpty else {
      throw Failure(.system, "run", program, reason: "it ended with \(outcome.status)")
    }
    var reader = WireReader(outcome.output)
    throw try Failure(&reader)
  }

  /// Does the errand; a failure goes to standard output in the form that ``send(_:as:into:)`` reads.
  ///
  /// - Parameter words: the link's name, its new one, and the namespace's path.
  /// - Returns: the exit status.
  public static func run(_ words: [String], _ move: BundleOptions.LinkMover) -> Int32 {
    do throws(Failure) {
      guard words.count == 3 else {
        throw Failure(.invalid, "run", verb, reason: "it is minidock-oci's errand, not a command")
      }
      let namespace = try Descriptor.open(words[2], .read)
      try move(words[0], words[1], namespace.raw)
      return 0
    } catch {
      var writer = WireWriter()
      writer.put(error)
      try? Descriptor.duplicate(of: 1).write(writer.bytes)
      return 1
    }
  }
}
