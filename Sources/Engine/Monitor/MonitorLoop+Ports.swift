import Linux
import Net

extension MonitorLoop {
  /// Holds these ports of the host from now on, and carries on what its own programs begin at [::1].
  mutating func hold(_ reservations: PortReservations?) {
    self.reservations = reservations
    guard let reservations, !reservations.sockets.isEmpty else { return relay = nil }
    let store = store
    let id = id
    relay = LoopbackRelay(sockets: reservations.sockets) { port, transport in
      guard let run = store.runFile(of: id), run.process?.isAlive == true,
        let published = run.ports.last(where: { $0.hostPort == port && $0.transport == transport }),
        let endpoint = ContainerNetworks(store.installation).published(run.endpoints)
      else { return [] }
      return [endpoint.address6, endpoint.address].compactMap { address in
        address.flatMap { SocketAddress($0, port: published.containerPort) }
      }
    }
  }
}
