import Linux
import Net

/// The three files of a container's /etc that the engine writes.
struct ContainerFiles {
  let installation: Installation
  let bundle: String
  let options: RunOptions
  let hostname: String

  init(_ installation: Installation, bundle: String, options: RunOptions, hostname: String) {
    self.installation = installation
    self.bundle = bundle
    self.options = options
    self.hostname = hostname
  }

  /// Writes hostname, hosts and resolv.conf into the bundle.
  ///
  /// - Parameter endpoints: the container's links.
  func write(_ endpoints: [Endpoint]) throws(Failure) {
    try put("hostname", try HostsFiles.hostname(hostname))
    if case .container(let id) = options.network { return try copy(from: id) }
    let usesHost = options.network == .host
    var extra: [ExtraHost] = []
    for text in options.extraHosts { extra.append(try ExtraHost(parsing: text)) }
    let hosts =
      usesHost
      ? try HostsFiles.hosts(
        ofHost: Files.read("/etc/hosts", limit: 1 << 20) ?? [], extra: extra)
      : try HostsFiles.hosts(
        hostname: hostname, addresses: endpoints.flatMap(Self.addresses), extra: extra,
        gateway: endpoints.first { !$0.network.isInternal }?.lease.gateway)
    try put("hosts", hosts)
    let settings = try ResolverSettings(
      servers: options.dns, search: options.dnsSearch, options: options.dnsOptions)
    // On a network that a user has made the monitor answers, and asks those of `--dns` itself.
    let hasNames = endpoints.contains { $0.network.name != "bridge" }
    try put(
      "resolv.conf",
      hasNames
        ? try ResolverFile.forNames(settings)
        : try ResolverFile.forContainer(settings, sharesHostNetwork: usesHost))
  }

  private static func addresses(_ endpoint: Endpoint) -> [String] {
    ["\(endpoint.lease.address)"] + (endpoint.lease.address6.map { ["\($0)"] } ?? [])
  }

  // Who shares another's network knows the same names.
  private func copy(from id: String) throws(Failure) {
    let other = ContainerStore(installation).directory(id)
    for name in ["hosts", "resolv.conf"] {
      try put(name, try Files.read("\(other)/\(name)", limit: 1 << 20) ?? [])
    }
  }

  private func put(_ name: String, _ bytes: [UInt8]) throws(Failure) {
    let file = try Descriptor.open("\(bundle)/\(name)", .create(mode: 0o644))
    try file.write(bytes, object: name)
  }
}
