import Linux
import Net

extension MonitorLoop {
  /// Answers the container's questions on these sockets from now on.
  mutating func serveNames(on sockets: NameServerSockets) {
    let store = store
    let record = try? store.read(id)
    names = NameServer(
      owner: id, book: store.installation.nameBook,
      servers: record.map { store.options(of: $0).dns } ?? [], sockets: sockets
    ) { store.runFile(of: $0)?.process?.isAlive == true }
  }

  /// Begins to serve names when the container has been connected to its first network that has some.
  mutating func serveNamesWhenConnected() {
    guard hasChild, names == nil, !store.installation.nameBook.networks(of: id).isEmpty,
      let namespace = try? Descriptor.open("/proc/\(pid)/ns/net", .read),
      let sockets = try? NameServerSockets.open(inNamespaceOf: namespace.raw)
    else { return }
    serveNames(on: sockets)
  }
}
