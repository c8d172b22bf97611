import Linux

extension NetworkHost {
  /// Gives a namespace the default routes that have gone with one of its links; those that are there
  /// stay.
  ///
  /// - Parameter routes: the links that are left, in order, each with its gateways.
  public func restoreRoutes(
    netns: Int32, routes: [(link: String, gateway: String?, gateway6: String?)]
  ) throws(Failure) {
    var socket = try NetlinkSocket.open(inNamespaceOf: netns)
    var batch = MessageBatch(capacity: 512)
    if let first = routes.first(where: { $0.gateway != nil }),
      let gateway = first.gateway.flatMap({ IPv4Address($0) }),
      let link = try socket.link(named: first.link)
    {
      LinkMessages.addDefaultRoute(gateway: gateway, index: link.index, to: &batch)
    }
    if let first = routes.first(where: { $0.gateway6 != nil }),
      let gateway = first.gateway6.flatMap({ IPv6Address($0) }),
      let link = try socket.link(named: first.link)
    {
      LinkMessages.addDefaultRoute(gateway: gateway, index: link.index, to: &batch)
    }
    guard batch.count > 0 else { return }
    try socket.exchange(&batch, "set", "default route", tolerated: [ErrorNumber.exists])
  }
}
