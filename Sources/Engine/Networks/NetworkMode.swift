import Linux
import Net

/// The network that a container joins first, in docker's words.
public enum NetworkMode: Sendable, Equatable {
  case bridge
  case none
  case host
  /// The network namespace of another container, by its id (by what the user wrote, until it was
  /// looked up).
  case container(String)
  /// A network that was made by `network create`, by name.
  case user(String)

  /// Parses a word of `--network`.
  ///
  /// - Throws: ``Failure/Code/invalid`` for what can be no network's name.
  public init(_ text: String) throws(Failure) {
    switch text {
    case "bridge", "default": self = .bridge
    case "none": self = .none
    case "host": self = .host
    default:
      if text.hasPrefix("container:") {
        let name = String(text.dropFirst(10))
        guard !name.isEmpty else {
          throw Failure(
            .invalid, "use network", text, reason: "it names no container",
            remedy: "write it as container:NAME")
        }
        self = .container(name)
      } else {
        try NetworkRecord.validate(name: text)
        self = .user(text)
      }
    }
  }

  /// Docker's name of it.
  public var name: String {
    switch self {
    case .bridge: "bridge"
    case .none: "none"
    case .host: "host"
    case .container(let id): "container:\(id)"
    case .user(let name): name
    }
  }

  /// Whether the container has links of its own on networks that minidock manages.
  public var isManaged: Bool {
    switch self {
    case .bridge, .user: true
    default: false
    }
  }

  /// Whether it gets a network namespace of its own.
  public var ownsNamespace: Bool {
    switch self {
    case .bridge, .none, .user: true
    case .host, .container: false
    }
  }
}
