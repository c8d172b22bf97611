import Linux

/// Where the systemd is that makes groups for this process: the host's, or a user's own without root.
struct SystemdAddress: Equatable, Sendable {
  /// Whether it is a user's own.
  let isUser: Bool
  /// Where it can be reached, the best first.
  let candidates: [DBusConnection.Address]

  /// Looks at this process's user and environment.
  ///
  /// - Throws: ``Failure/Code/unsupported`` for an address of another kind than a socket's path.
  static func here() throws(Failure) -> SystemdAddress {
    try SystemdAddress(
      user: ThisProcess.effectiveUser, isInUserNamespace: isInUserNamespace,
      environment: Console.environment)
  }

  // With root of a user namespace that belongs to a user with a session, that user's systemd is meant.
  init(
    user: UInt32, isInUserNamespace: Bool, environment: (String) -> String?
  ) throws(Failure) {
    let session = environment("DBUS_SESSION_BUS_ADDRESS").flatMap { $0.isEmpty ? nil : $0 }
    let directory = environment("XDG_RUNTIME_DIR").flatMap { $0.isEmpty ? nil : $0 }
    isUser = user != 0 || (isInUserNamespace && (session != nil || directory != nil))
    guard isUser else {
      if let given = environment("DBUS_SYSTEM_BUS_ADDRESS"), !given.isEmpty {
        candidates = [.init(path: try SystemdAddress.path(given, "DBUS_SYSTEM_BUS_ADDRESS"))]
      } else {
        candidates = [
          .init(path: "/run/dbus/system_bus_socket"),
          .init(path: "/run/systemd/private", isBus: false),
        ]
      }
      return
    }
    let runtime = directory ?? "/run/user/\(user)"
    if let session {
      candidates = [.init(path: try SystemdAddress.path(session, "DBUS_SESSION_BUS_ADDRESS"))]
    } else {
      candidates = [
        .init(path: runtime + "/bus"), .init(path: runtime + "/systemd/private", isBus: false),
      ]
    }
  }

  private static var isInUserNamespace: Bool {
    let words = (Files.text("/proc/self/uid_map") ?? "").split { $0 == " " || $0 == "\n" }
    return !words.isEmpty && words.map(String.init) != ["0", "0", "4294967295"]
  }

  /// The path in an address such as "unix:path=/run/dbus/system_bus_socket,guid=5" (D-Bus specification,
  /// "Server Addresses").
  static func path(_ address: String, _ variable: String) throws(Failure) -> String {
    for entry in address.split(separator: ";") where entry.hasPrefix("unix:") {
      for pair in entry.dropFirst(5).split(separator: ",") where pair.hasPrefix("path=/") {
        if let path = unescape(pair.dropFirst(5)) { return path }
      }
    }
    throw Failure(
      .unsupported, "use", "\(variable)=\(address)", reason: "it names no socket by its path",
      remedy: "write it like unix:path=/run/dbus/system_bus_socket")
  }

  private static func unescape(_ text: Substring) -> String? {
    var bytes: [UInt8] = []
    var rest = Array(text.utf8)[...]
    while let byte = rest.popFirst() {
      guard byte == UInt8(ascii: "%") else {
        bytes.append(byte)
        continue
      }
      let digits = rest.prefix(2)
      guard digits.count == 2,
        let value = UInt8(String(decoding: digits, as: UTF8.self), radix: 16), value != 0
      else { return nil }
      bytes.append(value)
      rest = rest.dropFirst(2)
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}
