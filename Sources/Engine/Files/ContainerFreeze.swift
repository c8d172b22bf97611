import Linux
import Runtime

/// A running container that stands still while its files are read or changed, and goes on when this is
/// let go of, whatever becomes of this process.
///
/// A small child watches: when this process ends without having let go, by a signal or `kill -9`, the
/// child thaws the container.
struct ContainerFreeze: ~Copyable {
  private let cgroup: Cgroup
  private let guardian: Child
  /// The end of a pipe that this process alone holds; the child sees it closed.
  private let hold: Int32
  private let lock: FileLock

  /// Stops all processes of a running container; nil when it does not run, or is paused already.
  ///
  /// - Parameter lockPath: serializes those who freeze the same container, so that none thaws it under
  ///   another's hands.
  /// - Throws: ``Failure/Code/unsupported`` without a freezer; ``Failure/Code/inUse`` when its processes do
  ///   not stop.
  static func begin(
    _ record: ContainerRecord, _ state: ContainerState, lockPath: String
  ) throws(Failure) -> ContainerFreeze? {
    guard state.process != nil, !record.cgroupPath.isEmpty else { return nil }
    let lock = try FileLock.acquire(lockPath)
    let cgroup = Cgroup(existing: record.cgroupPath, in: try CgroupHierarchy.detect())
    guard cgroup.exists, !cgroup.isFrozen else { return nil }
    let freeze = try ContainerFreeze(cgroup, lock)
    try cgroup.freeze()
    return freeze
  }

  private init(_ cgroup: Cgroup, _ lock: consuming FileLock) throws(Failure) {
    let pipe = try Descriptor.pipe()
    let watched = pipe.read
    let held = pipe.write
    let (watchedNumber, lockNumber) = (watched.raw, lock.raw)
    let child = try Processes.fork {
      // The terminal's signals and those to the group must not end it before its time.
      Signals.blockAll()
      ThisProcess.leadSession()
      try? Confinement.keepOnly([watchedNumber, lockNumber])
      _ = try? readSome(watchedNumber, limit: 1)
      do throws(Failure) {
        try cgroup.thaw()
        return 0
      } catch {
        return 1
      }
    }
    self.cgroup = cgroup
    self.lock = lock
    guardian = child
    hold = held.release()
  }

  deinit {
    do throws(Failure) {
      try cgroup.thaw()
      guardian.kill()
      ThisProcess.close(hold)
    } catch {
      // The child tries once more.
      ThisProcess.close(hold)
      _ = try? Processes.wait(pidfd: guardian.handle)
    }
  }
}
