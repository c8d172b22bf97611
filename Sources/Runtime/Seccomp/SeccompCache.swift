import Linux

/// Compiled filters on disk. Compiling costs a millisecond or more, reading a file some microseconds.
///
/// The name of a file is a hash of everything that the filter depends on: the profile, the container's
/// capabilities, the kernel and libseccomp's version. Files that are not this user's own, or that others
/// may write, are not used.
public struct SeccompCache: Sendable {
  private let directory: String

  /// A cache in a directory of its own, made (0700) when first needed: `<root>/cache/seccomp`.
  public init(directory: String) { self.directory = directory }

  /// The filter of ``SeccompProfile/containerDefault(_:)``.
  ///
  /// - Parameter capabilities: the container's bounding set.
  public func standard(capabilities: UInt64) throws(Failure) -> [UInt8] {
    let set = CapabilitySet(rawValue: capabilities).intersection(SeccompTable.relevant)
    var key = ContentHash()
    key.add(SeccompTable.fingerprint)
    key.add(set.rawValue)
    return try load("default", &key) { () throws(Failure) in
      try SeccompCompiler.compile(.containerDefault(set), capabilities: set)
    }
  }

  /// The filter of a profile document.
  ///
  /// - Parameter name: how errors call it, such as its path.
  /// - Throws: as ``SeccompProfile/init(json:name:)`` and
  ///   ``SeccompCompiler/compile(_:capabilities:)``.
  public func program(
    json: [UInt8], name: String, capabilities: UInt64
  ) throws(Failure) -> [UInt8] {
    var key = ContentHash()
    json.withUnsafeBytes { key.add($0) }
    addConditions(capabilities, to: &key)
    return try load("json", &key) { () throws(Failure) in
      try SeccompCompiler.compile(
        SeccompProfile(json: json, name: name),
        capabilities: CapabilitySet(rawValue: capabilities))
    }
  }

  /// The filter of a profile that has been read already, such as an OCI bundle's.
  public func program(
    _ profile: SeccompProfile, capabilities: UInt64, allowsListener: Bool = false
  ) throws(Failure) -> [UInt8] {
    let resolved = try profile.resolve(
      capabilities: CapabilitySet(rawValue: capabilities), allowsListener: allowsListener)
    var key = ContentHash()
    resolved.fingerprintBytes.withUnsafeBytes { key.add($0) }
    return try load("profile", &key) { () throws(Failure) in
      try SeccompCompiler.compile(resolved)
    }
  }

  private func addConditions(_ capabilities: UInt64, to key: inout ContentHash) {
    key.add(capabilities)
    let kernel = KernelVersion.running
    key.add(UInt64(kernel.major) << 32 | UInt64(kernel.minor))
  }

  // Changes with the file's form and with the instructions put in front of libseccomp's.
  private static let format: UInt64 = 2

  private func load(
    _ kind: String, _ key: inout ContentHash, _ compile: () throws(Failure) -> [UInt8]
  ) throws(Failure) -> [UInt8] {
    key.add(SeccompCache.format)
    var version = SeccompCompiler.libraryVersion
    version.withUTF8 { key.add(UnsafeRawBufferPointer($0)) }
    let path = "\(directory)/\(kind)-\(key.hex)"
    if let stored = Files.ownBytes(path, limit: 64 << 10),
      let program = SeccompCache.unpack(stored)
    {
      return program
    }
    let program = try compile()
    // A full or read-only disk costs the next start its millisecond, not this one its success.
    do throws(Failure) {
      try Files.makeDirectories(directory, mode: 0o700)
      try Files.replace(path, with: SeccompCache.pack(program), mode: 0o600)
    } catch {}
    return program
  }

  // The program behind a hash of it: a file cut by a crash is compiled anew.
  static func pack(_ program: [UInt8]) -> [UInt8] {
    var hash = ContentHash()
    program.withUnsafeBytes { hash.add($0) }
    var writer = WireWriter(capacity: program.count + 16)
    writer.put(hash.first)
    return writer.bytes + program
  }

  static func unpack(_ stored: [UInt8]) -> [UInt8]? {
    var reader = WireReader(stored)
    guard stored.count > 8, stored.count % 8 == 0, let sum = try? reader.get(UInt64.self) else {
      return nil
    }
    let program = Array(stored[8...])
    var hash = ContentHash()
    program.withUnsafeBytes { hash.add($0) }
    return hash.first == sum ? program : nil
  }
}

/// A 128-bit hash to tell contents apart (two multiply-and-fold rounds over 64-bit words); it is not meant
/// to withstand somebody who looks for collisions, and need not: the cache is root's own.
struct ContentHash {
  private(set) var first: UInt64 = 0x9e37_79b9_7f4a_7c15
  private var second: UInt64 = 0xc2b2_ae3d_27d4_eb4f

  mutating func add(_ word: UInt64) {
    first = ContentHash.fold(first ^ word, 0xff51_afd7_ed55_8ccd)
    second = ContentHash.fold(second &+ word, 0xc4ce_b9fe_1a85_ec53)
  }

  /// Adds bytes and their count, so that the border between two pieces counts too.
  mutating func add(_ bytes: UnsafeRawBufferPointer) {
    var offset = 0
    while offset + 8 <= bytes.count {
      add(bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
      offset += 8
    }
    var rest: UInt64 = 0
    while offset < bytes.count {
      rest = rest << 8 | UInt64(bytes[offset])
      offset += 1
    }
    add(rest)
    add(UInt64(bytes.count))
  }

  private static func fold(_ a: UInt64, _ b: UInt64) -> UInt64 {
    let product = (a ^ (a >> 32)).multipliedFullWidth(by: b)
    return product.high ^ product.low &+ a
  }

  var hex: String {
    func padded(_ value: UInt64) -> String {
      let digits = String(value, radix: 16)
      return String(repeating: "0", count: 16 - digits.count) + digits
    }
    return padded(first) + padded(second)
  }
}
