import AsyncHTTPClient
import Linux
import NIOCore
import NIOHTTP1
import RegistryExchange
import Synchronization

/// The bytes of one blob, from wherever they can be had, each of them once and in order.
///
/// A connection that breaks is made again from where it broke (Range). minidock compares the digest of the
/// whole in the end; here only the length is known, and is kept to.
struct BlobDownload: Sendable {
  let session: RegistrySession
  let repository: RemoteRepository
  let digest: String
  let size: Int64
  let skipsMirrors: Bool
  let output: PipeOutput
  /// A file with its first bytes, from an attempt before; -1 for none.
  var beginning: Int32 = -1

  /// How many bytes minidock has.
  final class Place: Sendable {
    private let offsets = Mutex<(now: Int64, seen: Int64)>((0, 0))
    var value: Int64 { offsets.withLock { $0.now } }

    func advance(_ count: Int64) { offsets.withLock { $0.now += count } }

    /// Whether it has come further since this was last asked.
    func hasMoved() -> Bool {
      offsets.withLock { offsets in
        defer { offsets.seen = offsets.now }
        return offsets.now > offsets.seen
      }
    }
  }

  func run() async throws {
    let place = Place()
    if beginning >= 0 { try await sendBeginning(place) }
    try await session.onEndpoints(skippingMirrors: skipsMirrors) { endpoint in
      try await session.retrying("pull blob", digest, hasProgressed: { place.hasMoved() }) {
        watch in
        if place.value < size || size == 0 { try await stream(endpoint, place, watch) }
      }
    }
  }

  private func stream(
    _ endpoint: EndpointSession, _ place: Place, _ watch: StallWatch
  ) async throws {
    let start = place.value
    var request = EndpointSession.Request(target: "/v2/\(repository.path)/blobs/\(digest)")
    request.scopes = ["repository:\(repository.path):pull"]
    request.operation = "pull blob"
    request.object = digest
    // What arrives is hashed as it is: nobody may compress it on the way.
    request.headers = [("Accept-Encoding", "identity")]
    if start > 0 { request.headers.append(("Range", "bytes=\(start)-\(size - 1)")) }
    let answer = try await endpoint.send(request, watch)
    var skip: Int64
    switch answer.response.status.code {
    case 200: skip = start
    case 206:
      skip = 0
      try checkRange(answer.response, start)
    default: throw await answer.refusal(request, endpoint.endpoint, watch)
    }
    var iterator = answer.response.body.makeAsyncIterator()
    while true {
      watch.wait()
      guard var part = try await iterator.next() else { break }
      watch.progressed(part.readableBytes)
      let passed = min(skip, Int64(part.readableBytes))
      part.moveReaderIndex(forwardBy: Int(passed))
      skip -= passed
      let count = Int64(part.readableBytes)
      guard place.value + count <= size else {
        throw Failure(
          .corrupt, "pull blob", digest,
          reason: "\(endpoint.endpoint.name) sends more than the \(size) bytes that it should have")
      }
      try await output.write(part)
      place.advance(count)
    }
    guard place.value == size else {
      throw RequestFailure(
        Failure(
          .corrupt, "pull blob", digest,
          reason: "\(endpoint.endpoint.name) sent \(place.value) of \(size) bytes"),
        isTransient: true)
    }
  }

  /// A part that begins elsewhere would put bytes in the wrong place.
  private func checkRange(_ response: HTTPClientResponse, _ start: Int64) throws {
    let range = response.headers.first(name: "Content-Range") ?? ""
    guard range.hasPrefix("bytes \(start)-") else {
      throw RequestFailure(
        Failure(
          .corrupt, "pull blob", digest,
          reason: "asked for the rest from \(start), the server sends \"\(range.cleaned)\""))
    }
  }
}
