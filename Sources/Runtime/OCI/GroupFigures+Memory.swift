import Linux

extension GroupFigures {
  var memory: JSONValue {
    guard let (directory, version) = group.place(.memory) else { return .object([]) }
    let words = directory.words("memory.stat")
    let raw = stride(from: 0, to: words.count - words.count % 2, by: 2).compactMap {
      index -> (key: String, value: UInt64)? in
      UInt64(words[index + 1]).map { (words[index], $0) }
    }.sorted { $0.key < $1.key }
    let cache = raw.first { $0.key == (version == .v1 ? "cache" : "file") }?.value ?? 0
    var members: [(key: String, value: JSONValue)] = []
    if cache != 0 { members.append(("cache", .unsigned(cache))) }
    members += version == .v1 ? entriesV1(directory) : entriesV2(directory)
    members.append(("raw", .object(raw.map { (key: $0.key, value: .unsigned($0.value)) })))
    return .object(members)
  }

  private func entriesV1(
    _ directory: ControlDirectory
  ) -> [(key: String, value: JSONValue)] {
    [("usage", ""), ("swap", "memsw."), ("kernel", "kmem."), ("kernelTCP", "kmem.tcp.")].map {
      name, part in
      (
        name,
        entry(
          limit: directory.unsigned("memory.\(part)limit_in_bytes"),
          usage: directory.unsigned("memory.\(part)usage_in_bytes"),
          peak: directory.unsigned("memory.\(part)max_usage_in_bytes"),
          failures: directory.unsigned("memory.\(part)failcnt"))
      )
    }
  }

  // Swap is memory and swap together, as on v1; memory of the kernel is not counted apart.
  private func entriesV2(
    _ directory: ControlDirectory
  ) -> [(key: String, value: JSONValue)] {
    func limit(_ file: String) -> UInt64 {
      directory.text(file) == "max" ? .max : directory.unsigned(file)
    }
    let usage = directory.unsigned("memory.current")
    let most = limit("memory.max")
    let swapLimit = limit("memory.swap.max")
    let (both, overflows) = most.addingReportingOverflow(swapLimit)
    return [
      (
        "usage",
        entry(
          limit: most, usage: usage, peak: directory.unsigned("memory.peak"),
          failures: directory.unsigned("memory.events", key: "max"))
      ),
      (
        "swap",
        entry(
          limit: overflows ? .max : both,
          usage: usage + directory.unsigned("memory.swap.current"), peak: 0, failures: 0)
      ),
      ("kernel", entry(limit: 0, usage: 0, peak: 0, failures: 0)),
      ("kernelTCP", entry(limit: 0, usage: 0, peak: 0, failures: 0)),
    ]
  }

  private func entry(
    limit: UInt64, usage: UInt64, peak: UInt64, failures: UInt64
  ) -> JSONValue {
    var members: [(key: String, value: JSONValue)] = [("limit", .unsigned(limit))]
    if usage != 0 { members.append(("usage", .unsigned(usage))) }
    if peak != 0 { members.append(("max", .unsigned(peak))) }
    members.append(("failcnt", .unsigned(failures)))
    return .object(members)
  }

  var hugePages: JSONValue {
    guard let (directory, version) = group.place(.hugetlb) else { return .object([]) }
    let suffix = version == .v1 ? ".usage_in_bytes" : ".current"
    let sizes = ((try? Files.list(directory.path)) ?? []).filter {
      $0.hasPrefix("hugetlb.") && $0.hasSuffix(suffix) && !$0.contains(".rsvd.")
    }.map { String($0.dropFirst("hugetlb.".count).dropLast(suffix.count)) }.sorted()
    return .object(
      sizes.map { size in
        let file = "hugetlb." + size
        let peak = version == .v1 ? directory.unsigned(file + ".max_usage_in_bytes") : 0
        return (
          key: size,
          value: GroupFigures.object(
            [
              (
                "failcnt",
                version == .v1
                  ? directory.unsigned(file + ".failcnt")
                  : directory.unsigned(file + ".events", key: "max")
              )
            ], sparse: [("usage", directory.unsigned(file + suffix)), ("max", peak)])
        )
      })
  }

  var blockIO: JSONValue {
    guard let (directory, version) = group.place(.blkio) else { return .object([]) }
    let lists =
      version == .v1
      ? [
        ("ioServiceBytesRecursive", entriesV1(directory, "io_service_bytes")),
        ("ioServicedRecursive", entriesV1(directory, "io_serviced")),
      ]
      : [
        ("ioServiceBytesRecursive", entriesV2(directory, read: "rbytes", written: "wbytes")),
        ("ioServicedRecursive", entriesV2(directory, read: "rios", written: "wios")),
      ]
    return .object(
      lists.filter { !$0.1.isEmpty }.map { (key: $0.0, value: .array($0.1)) })
  }

  // "8:0 Read 4096", and at the end the total of all, which has no device.
  private func entriesV1(_ directory: ControlDirectory, _ name: String) -> [JSONValue] {
    let file = "blkio.throttle.\(name)"
    let text = directory.text(file + "_recursive") ?? directory.text(file) ?? ""
    return text.split(separator: "\n").compactMap { line -> JSONValue? in
      let words = line.split(separator: " ")
      guard words.count == 3, let value = UInt64(words[2]) else { return nil }
      return entry(device: words[0], String(words[1]), value)
    }
  }

  // "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6"
  private func entriesV2(
    _ directory: ControlDirectory, read: String, written: String
  ) -> [JSONValue] {
    (directory.text("io.stat") ?? "").split(separator: "\n").flatMap { line -> [JSONValue] in
      let words = line.split(separator: " ")
      return [(read, "Read"), (written, "Write")].compactMap { name, operation -> JSONValue? in
        guard let device = words.first,
          let word = words.first(where: { $0.hasPrefix(name + "=") }),
          let value = UInt64(word.dropFirst(name.count + 1))
        else { return nil }
        return entry(device: device, operation, value)
      }
    }
  }

  private func entry(device: Substring, _ operation: String, _ value: UInt64) -> JSONValue? {
    let numbers = device.split(separator: ":").compactMap { UInt64($0) }
    guard numbers.count == 2 else { return nil }
    var members: [(key: String, value: JSONValue)] = []
    if numbers[0] != 0 { members.append(("major", .unsigned(numbers[0]))) }
    if numbers[1] != 0 { members.append(("minor", .unsigned(numbers[1]))) }
    members.append(("op", .string(operation)))
    if value != 0 { members.append(("value", .unsigned(value))) }
    return .object(members)
  }
}

extension ControlDirectory {
  /// A number that is not negative; 0 when there is none.
  func unsigned(_ file: String) -> UInt64 { UInt64(max(0, number(file) ?? 0)) }

  /// The number of a key; 0 when there is none.
  func unsigned(_ file: String, key: String) -> UInt64 {
    UInt64(max(0, number(file, key: key) ?? 0))
  }
}
