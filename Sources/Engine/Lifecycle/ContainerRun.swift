import Image
import Linux
import Runtime

/// `minidock run`: from the user's options to the command's exit status.
public struct ContainerRun {
  let installation: Installation
  let images: ImageResolution
  let options: RunOptions

  /// A run with these options.
  public init(installation: Installation, images: ImageResolution, options: RunOptions) {
    self.installation = installation
    self.images = images
    self.options = options
  }

  /// Runs the container, in the foreground to its end and exit status, or with `-d` until its command
  /// runs.
  ///
  /// This process must have no thread: it forks the container's monitor.
  /// - Parameters:
  ///   - report: receives the trace's lines, when asked for, once the container runs.
  ///   - detached: receives the id of a container that was left running.
  public func run(
    report: ([String]) -> Void, detached: (String) -> Void
  ) throws(Failure) -> Int32 {
    var trace = Trace(options.traced)
    _ = try DetachKeys(options.detachKeys)
    var creation = ContainerCreation(
      installation: installation, images: images, options: options)
    let image = try creation.findImage()
    trace.mark("image")
    creation.completeLog(isForeground: !options.detached)
    let record = try creation.makeRecord(image)
    let runner = ContainerRunner(
      installation: installation, options: creation.options, record: record, image: image,
      trace: trace, isNew: true)
    if options.detached {
      let id = record.id
      let lines = try MonitorLaunch.detached(runner)
      report(lines)
      detached(id)
      return 0
    }
    return try MonitorLaunch.attached(
      runner, interactive: options.interactive, signalProxy: options.signalProxy,
      detachKeys: options.detachKeys, report: report)
  }
}
