import Linux
import Net

/// The three files of a container's /etc that the engine writes.
struct ContainerFiles {
  let bundle: String
  let options: RunOptions
  let hostname: String

  /// Writes hostname, hosts and resolv.conf into the bundle.
  ///
  /// - Parameters:
  ///   - address: the container's address on the bridge.
  ///   - gateway: the host's, for "host-gateway".
  func write(address: IPv4Address?, gateway: IPv4Address?) throws(Failure) {
    try put("hostname", try HostsFiles.hostname(hostname))
    let usesHost = options.network == .host
    var extra: [ExtraHost] = []
    for text in options.extraHosts { extra.append(try ExtraHost(parsing: text)) }
    let hosts =
      usesHost
      ? try HostsFiles.hosts(
        ofHost: Files.read("/etc/hosts", limit: 1 << 20) ?? [], extra: extra)
      : try HostsFiles.hosts(hostname: hostname, address: address, extra: extra, gateway: gateway)
    try put("hosts", hosts)
    let settings = try ResolverSettings(
      servers: options.dns, search: options.dnsSearch, options: options.dnsOptions)
    try put(
      "resolv.conf", try ResolverFile.forContainer(settings, sharesHostNetwork: usesHost))
  }

  private func put(_ name: String, _ bytes: [UInt8]) throws(Failure) {
    let file = try Descriptor.open("\(bundle)/\(name)", .create(mode: 0o644))
    try file.write(bytes, object: name)
  }
}
