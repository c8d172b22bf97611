import AsyncHTTPClient
import Linux
import NIOCore
import NIOHTTP1
import RegistryExchange
import Synchronization

/// One blob on its way to the registry (distribution specification, "Pushing blobs"): nothing is sent that
/// the registry has or can take from another of its repositories; what is sent goes in one request, or in
/// parts where a server refuses so large a one.
struct BlobUpload: Sendable {
  let session: RegistrySession
  let repository: RemoteRepository
  let digest: String
  let size: Int64
  let sources: [String]
  let file: Int32
  /// Told how many bytes have been sent.
  let progress: @Sendable (Int64) -> Void

  private static let partSize: Int64 = 16 << 20

  private var scopes: [String] { ["repository:\(repository.path):pull,push"] }

  func run() async throws -> RegistryAnswer.Upload {
    if try await exists() { return .existed }
    for source in sources where source != repository.path {
      if try await mount(from: source) { return .mounted }
    }
    do {
      try await session.retrying("push blob", digest) { watch in
        try await sendWhole(try await begin(watch), watch)
      }
    } catch let failure as RequestFailure where [413, 405, 501].contains(failure.status) {
      try await session.retrying("push blob", digest) { watch in
        try await sendParts(try await begin(watch), watch)
      }
    }
    return .sent
  }

  private func request(_ method: HTTPMethod, _ target: String) -> EndpointSession.Request {
    var request = EndpointSession.Request(method: method, target: target)
    request.scopes = scopes
    request.operation = "push blob"
    request.object = digest
    return request
  }

  private func exists() async throws -> Bool {
    let request = request(.HEAD, "/v2/\(repository.path)/blobs/\(digest)")
    return try await session.retrying("push blob", digest) { watch in
      let answer = try await session.origin.send(request, watch)
      switch answer.response.status.code {
      case 200:
        let length = answer.response.headers.first(name: "Content-Length").flatMap { Int64($0) }
        return length == nil || length == size
      case 404: return false
      default: throw await answer.refusal(request, session.origin.endpoint, watch)
      }
    }
  }

  /// Takes the blob from another repository of this registry, where we may read that one.
  private func mount(from source: String) async throws -> Bool {
    var request = request(
      .POST,
      "/v2/\(repository.path)/blobs/uploads/?mount=\(WebAddress.escaped(digest))"
        + "&from=\(WebAddress.escaped(source))")
    request.scopes = scopes + ["repository:\(source):pull"]
    request.headers = [("Content-Length", "0")]
    let sent = request
    return try await session.retrying("push blob", digest) { watch in
      let answer: EndpointSession.Answer
      do { answer = try await session.origin.send(sent, watch) } catch let failure as RequestFailure
        where failure.status == 401 || failure.status == 403
      { return false }
      if answer.response.status == .created { return true }
      // A session was opened instead; it is given up, as one is opened for each attempt to send.
      if answer.response.status == .accepted, let place = location(answer) {
        _ = try? await session.origin.send(self.request(.DELETE, place), watch)
      }
      return false
    }
  }

  /// Opens an upload and returns where it goes.
  private func begin(_ watch: StallWatch) async throws -> String {
    var request = request(.POST, "/v2/\(repository.path)/blobs/uploads/")
    request.headers = [("Content-Length", "0")]
    let answer = try await session.origin.send(request, watch)
    guard answer.response.status == .accepted, let place = location(answer) else {
      throw await answer.refusal(request, session.origin.endpoint, watch)
    }
    return place
  }

  /// Where the next request of an upload goes; only to the registry itself, as it carries credentials.
  private func location(_ answer: EndpointSession.Answer) -> String? {
    guard let text = answer.response.headers.first(name: "Location"),
      let place = answer.address.following(text), place.origin == answer.address.origin
    else { return nil }
    return place.target
  }

  private func withDigest(_ place: String) -> String {
    place + (place.contains("?") ? "&" : "?") + "digest=" + WebAddress.escaped(digest)
  }

  private func sendWhole(_ place: String, _ watch: StallWatch) async throws {
    var request = request(.PUT, withDigest(place))
    request.headers = [("Content-Type", "application/octet-stream")]
    let source = FileBody(file: file, range: 0..<size, watch: watch, progress: progress)
    let size = size
    request.body = { .stream(source, length: .known(size)) }
    let answer = try await session.origin.send(request, watch)
    guard answer.response.status == .created else {
      throw await answer.refusal(request, session.origin.endpoint, watch)
    }
  }

  private func sendParts(_ first: String, _ watch: StallWatch) async throws {
    var place = first
    var offset: Int64 = 0
    while offset < size {
      let end = min(offset + BlobUpload.partSize, size)
      var request = request(.PATCH, place)
      request.headers = [
        ("Content-Type", "application/octet-stream"), ("Content-Range", "\(offset)-\(end - 1)"),
      ]
      let source = FileBody(file: file, range: offset..<end, watch: watch, progress: progress)
      let length = end - offset
      request.body = { .stream(source, length: .known(length)) }
      let answer = try await session.origin.send(request, watch)
      guard answer.response.status == .accepted, let next = location(answer) else {
        throw await answer.refusal(request, session.origin.endpoint, watch)
      }
      place = next
      offset = end
    }
    var request = request(.PUT, withDigest(place))
    request.headers = [("Content-Length", "0")]
    let answer = try await session.origin.send(request, watch)
    guard answer.response.status == .created else {
      throw await answer.refusal(request, session.origin.endpoint, watch)
    }
  }
}

/// Part of a file as a request's body.
struct FileBody: AsyncSequence, Sendable {
  typealias Element = ByteBuffer
  let file: Int32
  let range: Range<Int64>
  let watch: StallWatch
  let progress: @Sendable (Int64) -> Void

  func makeAsyncIterator() -> Iterator { Iterator(body: self, offset: range.lowerBound) }

  struct Iterator: AsyncIteratorProtocol {
    let body: FileBody
    var offset: Int64

    mutating func next() async throws -> ByteBuffer? {
      // Being asked for more means that the server has taken what was given.
      body.watch.progressed(StallWatch.muchBytes)
      defer { body.watch.wait() }
      body.progress(offset)
      guard offset < body.range.upperBound else { return nil }
      let count = Int(Swift.min(256 << 10, body.range.upperBound - offset))
      let (file, place) = (body.file, offset)
      var buffer = ByteBuffer()
      var failure: Linux.Failure?
      buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: count) { space in
        let part = UnsafeMutableRawBufferPointer(rebasing: space[..<count])
        do throws(Linux.Failure) { return try FileBytes.read(file, into: part, at: place) } catch {
          failure = error
          return 0
        }
      }
      if let failure { throw failure }
      guard buffer.readableBytes > 0 else {
        throw Linux.Failure(.corrupt, "read", "blob", reason: "it is shorter than it was")
      }
      offset += Int64(buffer.readableBytes)
      return buffer
    }
  }
}
