import Linux
import Net

/// A container's networks, in docker's words.
extension InspectDocument {
  static func network(
    _ record: ContainerRecord, _ state: ContainerState, _ installation: Installation
  ) -> JSONValue {
    let first = state.endpoints.first
    return .object([
      ("Ports", PortTexts.document(state.ports, exposed: record.exposed)),
      ("Gateway", .string(first?.gateway ?? "")),
      ("IPAddress", .string(first?.address ?? "")),
      ("IPPrefixLen", .number(Int64(first?.prefixLength ?? 0))),
      ("IPv6Gateway", .string(first?.gateway6 ?? "")),
      ("GlobalIPv6Address", .string(first?.address6 ?? "")),
      ("GlobalIPv6PrefixLen", .number(Int64(first?.prefixLength6 ?? 0))),
      ("MacAddress", .string(first?.macAddress ?? "")),
      ("Networks", .object(networks(record, state, installation))),
    ])
  }

  private static func networks(
    _ record: ContainerRecord, _ state: ContainerState, _ installation: Installation
  ) -> [(key: String, value: JSONValue)] {
    let host = installation.networkHost()
    if record.attachments.isEmpty && (record.network == .none || record.network == .host) {
      let network = try? host.network(named: record.network.name)
      return [(record.network.name, endpoint(nil, nil, record, network?.id ?? ""))]
    }
    return record.attachments.map { attachment in
      let live = state.endpoints.first { $0.network == attachment.network }
      let id = live?.networkID ?? (try? host.network(named: attachment.network))?.id ?? ""
      return (attachment.network, endpoint(attachment, live, record, id))
    }
  }

  private static func endpoint(
    _ attachment: NetworkAttachment?, _ live: EndpointState?, _ record: ContainerRecord,
    _ networkID: String
  ) -> JSONValue {
    var wishes: [(key: String, value: JSONValue)] = []
    if let address = attachment?.request.address {
      wishes.append(("IPv4Address", .string("\(address)")))
    }
    if let address = attachment?.request.address6 {
      wishes.append(("IPv6Address", .string("\(address)")))
    }
    let aliases = attachment?.aliases ?? []
    let hasNames = attachment != nil && attachment?.network != "bridge"
    let names = [record.name] + aliases + [record.shortID]
    return .object([
      ("IPAMConfig", wishes.isEmpty ? .null : .object(wishes)),
      ("Links", .null),
      ("Aliases", aliases.isEmpty ? .null : .strings(aliases)),
      ("MacAddress", .string(live?.macAddress ?? "")),
      ("NetworkID", .string(networkID)),
      ("EndpointID", .string(live == nil ? "" : record.id)),
      ("Gateway", .string(live?.gateway ?? "")),
      ("IPAddress", .string(live?.address ?? "")),
      ("IPPrefixLen", .number(Int64(live?.prefixLength ?? 0))),
      ("IPv6Gateway", .string(live?.gateway6 ?? "")),
      ("GlobalIPv6Address", .string(live?.address6 ?? "")),
      ("GlobalIPv6PrefixLen", .number(Int64(live?.prefixLength6 ?? 0))),
      ("DriverOpts", .null),
      ("DNSNames", hasNames ? .strings(names) : .null),
    ])
  }
}
