import Linux

/// A child process that writes a layer's tar into a pipe while this one stores and unpacks it.
struct LayerProducer: ~Copyable {
  /// Where the archive comes out.
  let stream: Descriptor
  private let child: Child
  private let channel: MessageSocket

  /// Forks the child; the caller must have no thread.
  ///
  /// - Parameter write: writes the archive to the descriptor that it is given.
  init(_ write: (Int32) throws(Failure) -> Void) throws(Failure) {
    let pipe = try Descriptor.pipe()
    let input = pipe.read
    let output = pipe.write
    let ends = try MessageSocket.pair()
    let near = ends.near
    let far = ends.far
    let (number, readEnd, report) = (output.raw, input.raw, far.descriptor.raw)
    let parent = ThisProcess.id
    child = try Processes.fork {
      ThisProcess.close(readEnd)
      do throws(Failure) {
        try Confinement.dieWithParent(parent)
        // A reader that has gone is a failure to report, not a signal.
        ThisProcess.handle(Signal.pipe, ignoring: true)
        try write(number)
        return UnpackChild.send(
          .success(UnpackChild.Outcome(diffID: nil, size: 0)), to: report)
      } catch {
        return UnpackChild.send(.failure(error), to: report)
      }
    }
    stream = input
    channel = near
    // Only the child may hold these: that it closes them is the end of the stream.
    _ = consume output
    _ = consume far
  }

  /// Waits for the child's end.
  ///
  /// - Throws: the child's own failure.
  func finish() throws(Failure) {
    do throws(Failure) { _ = try LayerImport.outcome(of: child, channel) } catch {
      throw error.during("archive", "the container's changes")
    }
  }

  /// After a failure of this side: the child's own one when it has one that explains it, else this.
  consuming func end(after failure: Failure) -> Failure {
    guard FileBytes.isReadable(channel.descriptor.raw) else {
      child.kill()
      return failure
    }
    do throws(Failure) {
      try finish()
      return failure
    } catch {
      // Its broken pipe is only what this side's failure did to it.
      return error.errno == ErrorNumber.brokenPipe ? failure : error
    }
  }
}
