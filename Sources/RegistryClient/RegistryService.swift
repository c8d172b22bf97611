import Linux
import NIOCore
import NIOPosix
import RegistryExchange

/// The helper's whole life: opens one registry for minidock, then answers requests until the socket closes.
public struct RegistryService: ~Copyable {
  private let channel: MessageSocket

  /// - Parameter channel: the socket to minidock.
  public init(_ channel: consuming MessageSocket) { self.channel = channel }

  /// Serves until minidock is gone.
  ///
  /// - Returns: the exit status.
  public consuming func run() -> Int32 {
    let answers = AnswerSender(channel.descriptor.raw)
    do throws(Failure) {
      guard let first = try channel.receive(limit: MessageSocket.capacity) else { return 0 }
      let (number, request) = try RegistryRequest.parse(first.bytes)
      guard case .open(let domain, let purpose) = request else { throw RegistryRequest.nonsense }
      let calls: RegistryCalls
      do throws(Failure) {
        calls = try RegistryCalls.open(domain, purpose, answers)
      } catch {
        answers.send(number, .failed(error))
        return 1
      }
      answers.send(number, .opened(hasMirrors: calls.session.endpoints.count > 1))
      while let message = try channel.receive(limit: MessageSocket.capacity) {
        let (number, request) = try RegistryRequest.parse(message.bytes)
        calls.start(number, request, message.descriptors)
      }
      return 0
    } catch {
      return 1
    }
  }
}

/// Sends answers from whatever thread.
struct AnswerSender: Sendable {
  private let socket: Int32

  init(_ socket: Int32) { self.socket = socket }

  func send(_ number: UInt32, _ answer: RegistryAnswer) {
    // A datagram goes whole or not at all; minidock being gone ends this program by the other direction.
    try? answer.message(number: number).withBytes { (bytes) throws(Failure) in
      try FileBytes.send(socket, bytes)
    }
  }
}

/// What is done for each request.
struct RegistryCalls: Sendable {
  let session: RegistrySession
  let answers: AnswerSender
  private let group: MultiThreadedEventLoopGroup

  /// Reads all that is needed from files and other programs, gives up the rights to them, and only then
  /// starts the first thread.
  static func open(
    _ domain: String, _ purpose: RegistryRequest.Purpose, _ answers: AnswerSender
  ) throws(Failure) -> RegistryCalls {
    let settings = try ClientSettings.load()
    let store = try CredentialStore()
    let endpoints = try RegistryHosts(settings: settings).endpoints(
      of: searchDomain(domain, purpose), mirrors: purpose == .pull
    ) { (name) throws(Failure) in
      try store.find(name == searchDomain(domain, purpose) ? domain : name)
    }
    if purpose == .credentials {
      try ThisProcess.setNoNewPrivileges()
    } else {
      try FileConfinement.readOnly(below: RegistryCalls.readable)
    }
    let group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
    let pool = NIOThreadPool(numberOfThreads: 8)
    pool.start()
    let transport = try HTTPTransport(settings: settings, group: group)
    let session = RegistrySession(
      domain: domain, endpoints: endpoints.map { EndpointSession($0, transport) },
      transport: transport, pool: pool)
    return RegistryCalls(session: session, answers: answers, group: group)
  }

  /// Docker Hub is searched at another host than it is pulled from.
  private static func searchDomain(
    _ domain: String, _ purpose: RegistryRequest.Purpose
  ) -> String {
    domain == "docker.io" && purpose == .search ? "index.docker.io" : domain
  }

  /// What name resolution and TLS read, and libdispatch: it traps when it cannot look up a thread's state,
  /// as /proc/TID/stat. Other processes' secrets stay out of reach, as this one has no capabilities.
  private static let readable = [
    "/etc/resolv.conf", "/etc/hosts", "/etc/host.conf", "/etc/nsswitch.conf", "/etc/gai.conf",
    "/etc/services", "/etc/protocols", "/etc/localtime", "/etc/ld.so.cache", "/etc/ssl",
    "/etc/pki", "/etc/ca-certificates", "/run/systemd/resolve", "/run/resolvconf", "/run/nscd",
    "/usr", "/lib", "/lib64", "/dev/null", "/dev/urandom", "/proc",
    "/sys/devices/system/cpu", "/sys/fs/cgroup",
  ]

  /// Starts what a request asks for; its answer is sent when it is done.
  func start(_ number: UInt32, _ request: RegistryRequest, _ descriptors: [Int32]) {
    let file = descriptors.first ?? -1
    let beginning = descriptors.count > 1 ? descriptors[1] : -1
    for extra in descriptors.dropFirst(2) { ThisProcess.close(extra) }
    Task.detached {
      let answer: RegistryAnswer
      do {
        answer = try await perform(number, request, file, beginning)
      } catch {
        answer = .failed(
          RequestFailure(
            error, "ask registry", session.domain, host: session.domain,
            seconds: session.settings.stallSeconds
          ).failure)
      }
      // The reader sees the end of the pipe before the answer.
      if file >= 0 { ThisProcess.close(file) }
      if beginning >= 0 { ThisProcess.close(beginning) }
      answers.send(number, answer)
    }
  }

  private func perform(
    _ number: UInt32, _ request: RegistryRequest, _ file: Int32, _ beginning: Int32
  ) async throws -> RegistryAnswer {
    func output() -> PipeOutput { PipeOutput(file, session.pool) }
    switch request {
    case .open: throw RegistryRequest.nonsense
    case .lookUp(let repository, let reference):
      return try await session.lookUp(repository, reference)
    case .manifest(let repository, let reference):
      return try await session.manifest(repository, reference, into: output())
    case .blob(let repository, let digest, let size, let skipsMirrors):
      try await BlobDownload(
        session: session, repository: repository, digest: digest, size: size,
        skipsMirrors: skipsMirrors, output: output(), beginning: beginning
      ).run()
      return .done
    case .upload(let repository, let digest, let size, let sources):
      let pace = UploadPace()
      return .uploaded(
        try await BlobUpload(
          session: session, repository: repository, digest: digest, size: size,
          sources: sources, file: file,
          progress: { bytes in
            if pace.isTime() { answers.send(number, .progress(bytes)) }
          }
        ).run())
    case .putManifest(let repository, let reference, let mediaType):
      let bytes = try readToEnd(file, limit: 4 << 20, object: "manifest")
      try await session.putManifest(repository, reference, mediaType: mediaType, bytes)
      return .done
    case .tags(let repository):
      try await session.tags(repository, into: output())
      return .done
    case .search(let term, let limit):
      try await session.search(term, limit: limit, into: output())
      return .done
    case .login(let user, let password): return try await logIn(user, password)
    case .logout:
      var store = try CredentialStore()
      return .told(
        try store.erase(session.domain)
          ? "removed" : "")
    }
  }

  /// Tries the credentials first: wrong ones are never stored.
  private func logIn(_ user: String, _ password: String) async throws -> RegistryAnswer {
    var store = try CredentialStore()
    var endpoint = session.origin.endpoint
    if !user.isEmpty {
      endpoint.credentials = Credentials(user: user, password: password)
    } else if endpoint.credentials == nil {
      throw Failure(.notFound, "log in to", session.domain, reason: "no credentials are stored")
    }
    let attempt = RegistrySession(
      domain: session.domain, endpoints: [EndpointSession(endpoint, session.transport)],
      transport: session.transport, pool: session.pool)
    do { try await attempt.checkCredentials() } catch var failure as RequestFailure
      where failure.status == 401 && !user.isEmpty
    {
      failure.failure.reason = "it does not accept this user and password"
      failure.failure.remedy = ""
      throw failure
    }
    guard !user.isEmpty, let credentials = endpoint.credentials else { return .told("") }
    return .told(try store.store(credentials, for: session.domain))
  }
}
