import CLinux
import Glibc

/// One eBPF instruction (linux/bpf.h, struct bpf_insn).
public struct BPFInstruction: Sendable, Equatable {
  /// Class, source and operation.
  public let code: UInt8
  /// Destination register, 0...10.
  public let destination: UInt8
  /// Source register, 0...10.
  public let source: UInt8
  /// Jump or memory offset.
  public var offset: Int16
  /// Immediate operand.
  public let immediate: Int32

  /// An instruction by its fields.
  public init(
    _ code: UInt8, destination: UInt8 = 0, source: UInt8 = 0, offset: Int16 = 0,
    immediate: Int32 = 0
  ) {
    self.code = code
    self.destination = destination
    self.source = source
    self.offset = offset
    self.immediate = immediate
  }

  /// The 8 bytes of the kernel's form, little-endian (the register nibbles follow the byte order, and
  /// every architecture minidock runs on is little-endian).
  public func encode(into bytes: inout [UInt8]) {
    bytes.append(code)
    bytes.append(source << 4 | destination)
    withUnsafeBytes(of: offset.littleEndian) { bytes.append(contentsOf: $0) }
    withUnsafeBytes(of: immediate.littleEndian) { bytes.append(contentsOf: $0) }
  }
}

/// The bpf(2) calls that a cgroup's device program needs (Linux 4.15).
public enum BPF {
  // Numbers of linux/bpf.h.
  static let programLoad: Int32 = 5
  static let programAttach: Int32 = 8
  static let programDetach: Int32 = 9
  static let programGetByID: Int32 = 13
  static let programQuery: Int32 = 16
  static let cgroupDeviceProgram: UInt32 = 15
  static let cgroupDeviceAttach: UInt32 = 6
  static let allowMulti: UInt32 = 2
  static let replace: UInt32 = 4

  /// Loads a BPF_PROG_TYPE_CGROUP_DEVICE program.
  ///
  /// - Throws: EPERM without CAP_BPF/CAP_SYS_ADMIN; EINVAL with the verifier's words when it refuses.
  public static func loadDeviceProgram(
    _ program: [BPFInstruction]
  ) throws(Failure) -> Descriptor {
    do throws(Failure) {
      return try load(program, log: nil)
    } catch  where error.errno != EPERM && error.errno != ENOSYS {
      // Asking for the verifier's log makes every load dearer, so only a refused one asks.
      let log = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 8)
      defer { log.deallocate() }
      log.initializeMemory(as: UInt8.self, repeating: 0)
      do throws(Failure) { return try load(program, log: log) } catch {
        var failure = error
        let words = String(decoding: log.prefix { $0 != 0 }, as: UTF8.self)
        failure.reason = "\(errorText(failure.errno)): \(words.split(separator: "\n").suffix(2))"
        throw failure
      }
    }
  }

  private static func load(
    _ program: [BPFInstruction], log: UnsafeMutableRawBufferPointer?
  ) throws(Failure) -> Descriptor {
    var code: [UInt8] = []
    code.reserveCapacity(program.count * 8)
    for instruction in program { instruction.encode(into: &code) }
    let license: [UInt8] = Array("Apache-2.0\0".utf8)
    let fd: Int32 = try code.withBytes { (instructions) throws(Failure) in
      try license.withBytes { (license) throws(Failure) in
        var attributes = Attributes()
        attributes.put(0, cgroupDeviceProgram)
        attributes.put(4, UInt32(program.count))
        attributes.put(8, address(instructions.baseAddress))
        attributes.put(16, address(license.baseAddress))
        if let log {
          attributes.put(24, UInt32(1))
          attributes.put(28, UInt32(log.count))
          attributes.put(32, address(UnsafeRawPointer(log.baseAddress)))
        }
        return try attributes.call(programLoad, "load device program")
      }
    }
    return Descriptor(owning: fd)
  }

  /// Makes `program` the one device program of the cgroup directory `target`.
  ///
  /// A program there before is replaced in one step (BPF_F_REPLACE, Linux 5.6), or detached after the
  /// new one is attached, so that at no moment the group is without a filter.
  public static func attachDeviceProgram(
    _ program: borrowing Descriptor, to target: borrowing Descriptor, name: String
  ) throws(Failure) {
    let previous = try devicePrograms(of: target, name: name)
    if previous.count == 1 {
      let old = try open(id: previous[0])
      do throws(Failure) {
        return try attach(program, target, flags: allowMulti | replace, replacing: old.raw, name)
      } catch  where error.errno == EINVAL {
        // A kernel before 5.6: fall through to attach and detach.
      }
    }
    try attach(program, target, flags: allowMulti, replacing: nil, name)
    for id in previous {
      let old = try open(id: id)
      var attributes = Attributes()
      attributes.put(0, UInt32(target.raw))
      attributes.put(4, UInt32(old.raw))
      attributes.put(8, cgroupDeviceAttach)
      _ = try attributes.call(programDetach, "detach device program", name)
    }
  }

  /// Attaches the first device program of a group just made: no query for earlier ones.
  public static func attachFirstDeviceProgram(
    _ program: borrowing Descriptor, to target: borrowing Descriptor, name: String
  ) throws(Failure) {
    try attach(program, target, flags: allowMulti, replacing: nil, name)
  }

  /// The ids of the device programs attached to a cgroup directory itself.
  public static func devicePrograms(
    of target: borrowing Descriptor, name: String
  ) throws(Failure) -> [UInt32] {
    let ids = UnsafeMutableBufferPointer<UInt32>.allocate(capacity: 64)
    defer { ids.deallocate() }
    var attributes = Attributes()
    attributes.put(0, UInt32(target.raw))
    attributes.put(4, cgroupDeviceAttach)
    attributes.put(16, address(UnsafeRawPointer(ids.baseAddress)))
    attributes.put(24, UInt32(ids.count))
    _ = try attributes.call(programQuery, "query device programs", name)
    return Array(ids.prefix(Int(attributes.get(24))))
  }

  private static func attach(
    _ program: borrowing Descriptor, _ target: borrowing Descriptor, flags: UInt32,
    replacing old: Int32?, _ name: String
  ) throws(Failure) {
    var attributes = Attributes()
    attributes.put(0, UInt32(target.raw))
    attributes.put(4, UInt32(program.raw))
    attributes.put(8, cgroupDeviceAttach)
    attributes.put(12, flags)
    if let old { attributes.put(16, UInt32(old)) }
    _ = try attributes.call(programAttach, "attach device program", name)
  }

  private static func open(id: UInt32) throws(Failure) -> Descriptor {
    var attributes = Attributes()
    attributes.put(0, id)
    return Descriptor(owning: try attributes.call(programGetByID, "open bpf program", "\(id)"))
  }

  private static func address(_ pointer: UnsafeRawPointer?) -> UInt64 {
    UInt64(UInt(bitPattern: pointer))
  }
}

/// union bpf_attr as bytes: its members are read by the kernel at fixed offsets.
private struct Attributes {
  private var bytes = [UInt8](repeating: 0, count: 128)

  mutating func put<Value: FixedWidthInteger>(_ offset: Int, _ value: Value) {
    bytes.withUnsafeMutableBytes { $0.storeBytes(of: value, toByteOffset: offset, as: Value.self) }
  }

  func get(_ offset: Int) -> UInt32 {
    bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: UInt32.self) }
  }

  mutating func call(
    _ command: Int32, _ operation: String, _ object: String = ""
  ) throws(Failure) -> Int32 {
    var result: Int32 = 0
    var number: Int32 = 0
    bytes.withUnsafeMutableBytes { space in
      repeat {
        result = clx_bpf(command, space.baseAddress, UInt32(space.count))
        number = Glibc.errno
      } while result < 0 && (number == EINTR || number == EAGAIN)
    }
    if result < 0 { throw Failure(errno: number, operation, object) }
    return result
  }
}
