import AsyncHTTPClient
import Linux
import NIOCore
import NIOHTTP1
import RegistryExchange

/// The kinds of manifest that minidock understands.
enum ManifestTypes {
  static let accepted = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
  ]
}

extension RegistrySession {
  /// No document may be larger (security row 22).
  private static let documentLimit = 4 << 20

  private func manifestRequest(
    _ repository: RemoteRepository, _ reference: String, _ method: HTTPMethod
  ) -> EndpointSession.Request {
    var request = EndpointSession.Request(
      method: method, target: "/v2/\(repository.path)/manifests/\(reference)")
    request.headers = ManifestTypes.accepted.map { ("Accept", $0) }
    request.scopes = ["repository:\(repository.path):pull"]
    request.operation = "pull"
    let separator = reference.hasPrefix("sha256:") ? "@" : ":"
    request.object = "\(repository.domain)/\(repository.path)\(separator)\(reference)"
    return request
  }

  /// What a tag leads to, by HEAD; by GET at a registry that does not answer HEAD with a digest.
  func lookUp(
    _ repository: RemoteRepository, _ reference: String
  ) async throws -> RegistryAnswer {
    let request = manifestRequest(repository, reference, .HEAD)
    return try await onEndpoints { session in
      try await retrying(request.operation, request.object) { watch in
        let answer = try await session.send(request, watch)
        guard answer.response.status == .ok else {
          throw await answer.refusal(request, session.endpoint, watch)
        }
        return RegistrySession.document(answer.response)
      }
    }
  }

  /// The document itself.
  func manifest(
    _ repository: RemoteRepository, _ reference: String, into output: PipeOutput
  ) async throws -> RegistryAnswer {
    let request = manifestRequest(repository, reference, .GET)
    let (answer, bytes) = try await onEndpoints { session in
      try await retrying(request.operation, request.object) { watch in
        let answer = try await session.send(request, watch)
        guard answer.response.status == .ok else {
          throw await answer.refusal(request, session.endpoint, watch)
        }
        let bytes = try await answer.response.bytes(
          limit: RegistrySession.documentLimit, "manifest of \(request.object)", watch)
        return (RegistrySession.document(answer.response), bytes)
      }
    }
    try await output.write(ByteBuffer(bytes: bytes))
    return answer
  }

  private static func document(_ response: HTTPClientResponse) -> RegistryAnswer {
    let type = response.headers.first(name: "Content-Type") ?? ""
    return .document(
      mediaType: String(type.prefix { $0 != ";" && $0 != " " }),
      digest: response.headers.first(name: "Docker-Content-Digest") ?? "",
      size: response.headers.first(name: "Content-Length").flatMap { Int64($0) } ?? -1)
  }

  /// Stores a manifest under a tag or digest.
  func putManifest(
    _ repository: RemoteRepository, _ reference: String, mediaType: String, _ bytes: [UInt8]
  ) async throws {
    var request = manifestRequest(repository, reference, .PUT)
    request.headers = [("Content-Type", mediaType)]
    request.scopes = ["repository:\(repository.path):pull,push"]
    request.operation = "push"
    request.body = { .bytes(ByteBuffer(bytes: bytes)) }
    let sent = request
    try await retrying(request.operation, request.object) { watch in
      let answer = try await origin.send(sent, watch)
      guard (200...299).contains(answer.response.status.code) else {
        throw await answer.refusal(sent, origin.endpoint, watch)
      }
      _ = try await answer.response.bytes(limit: 1 << 20, "answer", watch)
    }
  }

  /// All tags of a repository, page by page.
  func tags(_ repository: RemoteRepository, into output: PipeOutput) async throws {
    var request = EndpointSession.Request(target: "/v2/\(repository.path)/tags/list")
    request.scopes = ["repository:\(repository.path):pull"]
    request.operation = "list tags of"
    request.object = "\(repository.domain)/\(repository.path)"
    try await pages(request) { document in
      let tags = document["tags"]?.list?.compactMap(\.string) ?? []
      let lines = tags.filter { !$0.contains("\n") }.map { $0 + "\n" }.joined()
      try await output.write(ByteBuffer(string: lines))
      return true
    }
  }

  /// Follows the Link headers of a list (distribution specification, "Listing Tags").
  func pages(
    _ first: EndpointSession.Request, _ take: (JSONValue) async throws -> Bool
  ) async throws {
    var request = first
    for _ in 0..<1000 {
      let sent = request
      let (document, next) = try await retrying(request.operation, request.object) { watch in
        let answer = try await origin.send(sent, watch)
        guard answer.response.status == .ok else {
          throw await answer.refusal(sent, origin.endpoint, watch)
        }
        let bytes = try await answer.response.bytes(
          limit: 16 << 20, "list of \(sent.object)", watch)
        guard let document = JSONValue.parse(bytes) else {
          throw RequestFailure(
            Failure(.corrupt, sent.operation, sent.object, reason: "the answer is no JSON"))
        }
        return (document, RegistrySession.next(answer))
      }
      guard try await take(document), let next else { return }
      request.target = next
    }
  }

  private static func next(_ answer: EndpointSession.Answer) -> String? {
    guard let link = answer.response.headers.first(name: "Link"), link.contains("rel=\"next\""),
      let start = link.firstIndex(of: "<"), let end = link.firstIndex(of: ">"), start < end,
      let address = answer.address.following(String(link[link.index(after: start)..<end])),
      address.origin == answer.address.origin
    else { return nil }
    return address.target
  }
}
