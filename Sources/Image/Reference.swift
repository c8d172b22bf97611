import Linux

/// The name of an image as docker writes it: `[HOST[:PORT]/]PATH[:TAG][@DIGEST]` (distribution/reference).
///
/// Short names are completed as docker does: "busybox" is "docker.io/library/busybox:latest".
public struct Reference: Sendable, Hashable, CustomStringConvertible {
  /// The registry's host with its port: "docker.io".
  public let domain: String
  /// The repository within the registry: "library/busybox".
  public let path: String
  /// The tag; "latest" when the text had neither tag nor digest, nil when it had only a digest.
  public let tag: String?
  /// The manifest digest after "@".
  public let digest: Digest?

  /// Parses and completes a name.
  ///
  /// - Throws: ``Failure/Code/invalid`` for anything outside the grammar.
  public init(_ text: String) throws(Failure) {
    var grammar = ReferenceGrammar(text)
    self = try grammar.parse()
  }

  init(domain: String, path: String, tag: String?, digest: Digest?) {
    self.domain = domain
    self.path = path
    self.tag = tag
    self.digest = digest
  }

  /// What docker prints: "busybox:latest", "user/app:1", "localhost:5000/app@sha256:…".
  public var familiar: String { repository + suffix }

  /// The familiar name without tag and digest: "busybox".
  public var repository: String {
    guard domain == "docker.io" else { return domain + "/" + path }
    let official = "library/"
    guard path.hasPrefix(official), !path.dropFirst(official.count).contains("/") else {
      return path
    }
    return String(path.dropFirst(official.count))
  }

  /// The whole name: "docker.io/library/busybox:latest".
  public var canonical: String { domain + "/" + path + suffix }

  private var suffix: String {
    (tag.map { ":" + $0 } ?? "") + (digest.map { "@" + $0.description } ?? "")
  }

  /// The familiar form.
  public var description: String { familiar }
}
