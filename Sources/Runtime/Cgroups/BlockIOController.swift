import Linux

/// The blkio controller of v1 and the io controller of v2 of one group
/// (Documentation/admin-guide/cgroup-v1/blkio-controller.rst, cgroup-v2.rst, block/bfq-iosched.rst).
struct BlockIOController {
  let directory: ControlDirectory
  let version: CgroupVersion

  init(_ root: String, _ version: CgroupVersion) {
    directory = ControlDirectory(root)
    self.version = version
  }

  /// Applies weights and rates.
  func apply(_ io: Resources.BlockIO) throws(Failure) {
    for weight in [io.weight, io.leafWeight].compactMap({ $0 })
      + (io.weightDevice ?? []).flatMap({ [$0.weight, $0.leafWeight].compactMap { $0 } })
    where weight != 0 && !(10...1000).contains(weight) {
      throw Failure(
        .invalid, "set", "block io weight \(weight)", reason: "it is not between 10 and 1000")
    }
    switch version {
    case .v1: try applyV1(io)
    case .v2: try applyV2(io)
    }
  }

  private func applyV1(_ io: Resources.BlockIO) throws(Failure) {
    // Kernels before 5.0 have the CFQ scheduler's files, later ones only BFQ's.
    let scheduler = directory.has("blkio.weight") ? "blkio." : "blkio.bfq."
    if let weight = io.weight, weight != 0 {
      try directory.setWeight("block io weight", scheduler + "weight", String(weight))
    }
    if let weight = io.leafWeight, weight != 0 {
      try directory.setWeight("block io leaf weight", scheduler + "leaf_weight", String(weight))
    }
    for device in io.weightDevice ?? [] {
      if let weight = device.weight {
        try directory.setWeight(
          "block io weight", scheduler + "weight_device", "\(device.number) \(weight)")
      }
      if let weight = device.leafWeight {
        try directory.setWeight(
          "block io leaf weight", scheduler + "leaf_weight_device", "\(device.number) \(weight)")
      }
    }
    for limit in io.rates {
      for device in limit.devices {
        try directory.setRate(limit.name, limit.fileV1, "\(device.number) \(device.rate)", device)
      }
    }
  }

  private func applyV2(_ io: Resources.BlockIO) throws(Failure) {
    if (io.leafWeight ?? 0) != 0
      || (io.weightDevice ?? []).contains(where: { $0.leafWeight != nil })
    {
      throw Failure(
        .unsupported, "set", "block io leaf weight", reason: "cgroup v2 has no leaf weights")
    }
    // BFQ takes the number as it is; io.weight (the iocost controller) goes from 1 to 10000.
    let bfq = directory.has("io.bfq.weight")
    func convert(_ weight: UInt16) -> UInt64 {
      bfq ? UInt64(weight) : BlockIOController.weight(blkio: weight)
    }
    let file = bfq ? "io.bfq.weight" : "io.weight"
    if let weight = io.weight, weight != 0 {
      try directory.setWeight("block io weight", file, String(convert(weight)))
    }
    for device in io.weightDevice ?? [] {
      guard let weight = device.weight else { continue }
      try directory.setWeight("block io weight", file, "\(device.number) \(convert(weight))")
    }
    for limit in io.rates {
      for device in limit.devices {
        let rate = device.rate == 0 ? "max" : String(device.rate)
        try directory.setRate(
          limit.name, "io.max", "\(device.number) \(limit.keyV2)=\(rate)", device)
      }
    }
  }

  /// The io.weight (1...10000) of a blkio weight (10...1000), as runc converts it.
  static func weight(blkio: UInt16) -> UInt64 {
    1 + (UInt64(max(10, blkio)) - 10) * 9999 / 990
  }

  /// Adds the bytes and operations read and written.
  func read(into statistics: inout CgroupStatistics) {
    switch version {
    case .v1:
      let counts = total(
        "blkio.throttle.io_service_bytes_recursive", "blkio.throttle.io_service_bytes")
      statistics.ioReadBytes = counts.read
      statistics.ioWriteBytes = counts.write
      let operations = total("blkio.throttle.io_serviced_recursive", "blkio.throttle.io_serviced")
      statistics.ioReads = operations.read
      statistics.ioWrites = operations.write
    case .v2:
      // "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6"
      for word in directory.words("io.stat") {
        let pair = word.split(separator: "=")
        guard pair.count == 2, let value = UInt64(pair[1]) else { continue }
        switch pair[0] {
        case "rbytes": statistics.ioReadBytes += value
        case "wbytes": statistics.ioWriteBytes += value
        case "rios": statistics.ioReads += value
        case "wios": statistics.ioWrites += value
        default: break
        }
      }
    }
  }

  // "8:0 Read 4096" lines; the sums over all devices.
  private func total(_ files: String...) -> (read: UInt64, write: UInt64) {
    var sum = (read: UInt64(0), write: UInt64(0))
    guard let file = files.first(where: { directory.has($0) }) else { return sum }
    let words = directory.words(file)
    for index in words.indices.dropFirst().dropLast() {
      guard let value = UInt64(words[index + 1]) else { continue }
      if words[index] == "Read" { sum.read += value }
      if words[index] == "Write" { sum.write += value }
    }
    return sum
  }
}

extension Resources.WeightDevice {
  fileprivate var number: String { "\(major):\(minor)" }
}

extension Resources.ThrottleDevice {
  fileprivate var number: String { "\(major):\(minor)" }
}

/// One kind of rate with its name, files and devices.
private struct RateLimit {
  var name: String
  var fileV1: String
  var keyV2: String
  var devices: [Resources.ThrottleDevice]
}

extension Resources.BlockIO {
  fileprivate var rates: [RateLimit] {
    [
      RateLimit(
        name: "device read bps", fileV1: "blkio.throttle.read_bps_device", keyV2: "rbps",
        devices: throttleReadBpsDevice ?? []),
      RateLimit(
        name: "device write bps", fileV1: "blkio.throttle.write_bps_device", keyV2: "wbps",
        devices: throttleWriteBpsDevice ?? []),
      RateLimit(
        name: "device read iops", fileV1: "blkio.throttle.read_iops_device", keyV2: "riops",
        devices: throttleReadIOPSDevice ?? []),
      RateLimit(
        name: "device write iops", fileV1: "blkio.throttle.write_iops_device", keyV2: "wiops",
        devices: throttleWriteIOPSDevice ?? []),
    ]
  }
}

extension ControlDirectory {
  fileprivate func setWeight(
    _ limit: String, _ file: String, _ value: String
  ) throws(Failure) {
    do throws(Failure) { try set(limit, file, value) } catch  where error.isMissing && exists {
      throw Failure(
        .unsupported, "set", "\(limit) \(value)", reason: "the kernel has no \(file)",
        remedy: "load the bfq scheduler (modprobe bfq), or leave the weight out")
    }
  }

  fileprivate func setRate(
    _ limit: String, _ file: String, _ value: String, _ device: Resources.ThrottleDevice
  ) throws(Failure) {
    do throws(Failure) { try set(limit, file, value) } catch  where error.isNoDevice {
      throw Failure(
        .notFound, "set", "\(limit) \(value)",
        reason: "there is no block device \(device.major):\(device.minor)",
        remedy: "name a whole disk, not a partition")
    }
  }
}
