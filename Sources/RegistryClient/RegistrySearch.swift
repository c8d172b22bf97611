import AsyncHTTPClient
import Linux
import NIOCore
import NIOHTTP1
import RegistryExchange

extension RegistrySession {
  /// Repositories whose name or description has a word: by docker's search where the registry has it
  /// (Docker Hub), else by its catalogue (distribution specification does not know a search).
  func search(_ term: String, limit: Int, into output: PipeOutput) async throws {
    var request = EndpointSession.Request(
      target: "/v1/search?q=\(WebAddress.escaped(term))&n=\(limit)")
    request.operation = "search"
    request.object = domain
    let sent = request
    let found = try await retrying(request.operation, request.object) { watch -> JSONValue? in
      let answer = try await searchHost.send(sent, watch)
      guard answer.response.status == .ok else {
        if [404, 405, 400, 401, 403].contains(answer.response.status.code) { return nil }
        throw await answer.refusal(sent, searchHost.endpoint, watch)
      }
      return JSONValue.parse(try await answer.response.bytes(limit: 4 << 20, "answer", watch))
    }
    if let results = found?["results"]?.list {
      for result in results.prefix(limit) {
        try await write(
          [
            result["name"]?.string ?? "", String(result["star_count"]?.integer ?? 0),
            result["is_official"]?.bool == true ? "official" : "",
            result["description"]?.string ?? "",
          ], output)
      }
      return
    }
    try await searchCatalogue(term, limit: limit, into: output)
  }

  private var searchHost: EndpointSession { endpoints[0] }

  private func searchCatalogue(
    _ term: String, limit: Int, into output: PipeOutput
  ) async throws {
    var request = EndpointSession.Request(target: "/v2/_catalog?n=1000")
    request.scopes = ["registry:catalog:*"]
    request.operation = "search"
    request.object = domain
    var count = 0
    try await pages(request) { document in
      for name in document["repositories"]?.list?.compactMap(\.string) ?? []
      where count < limit && (term.isEmpty || name.contains(term.lowercased())) {
        count += 1
        try await write(["\(domain)/\(name)", "0", "", ""], output)
      }
      return count < limit
    }
  }

  private func write(_ fields: [String], _ output: PipeOutput) async throws {
    let line = fields.map { $0.cleaned.split(separator: "\t").joined(separator: " ") }
      .joined(separator: "\t")
    try await output.write(ByteBuffer(string: line + "\n"))
  }

  /// Whether the registry takes the endpoint's credentials (GET /v2/).
  func checkCredentials() async throws {
    var request = EndpointSession.Request(target: "/v2/")
    request.operation = "log in to"
    request.object = domain
    let sent = request
    try await retrying(request.operation, request.object) { watch in
      let answer = try await origin.send(sent, watch)
      guard answer.response.status == .ok else {
        throw await answer.refusal(sent, origin.endpoint, watch)
      }
    }
  }
}
