import CSeccomp
import Linux

/// A profile brought down to this machine, kernel and set of capabilities: numbers instead of names, no
/// conditions.
struct ResolvedSeccomp: Equatable {
  struct Rule: Equatable {
    var names: [String]
    var action: UInt32
    var args: [Argument]
  }

  struct Argument: Equatable {
    var index: UInt32
    var op: UInt32
    var value: UInt64
    var valueTwo: UInt64
  }

  var defaultAction: UInt32
  /// libseccomp's tokens, the native one first.
  var architectures: [UInt32]
  var rules: [Rule]
  var guards: [SeccompGuard]
  var otherArchitectureAction: UInt32?

  /// The action of libseccomp and the kernel (SECCOMP_RET_*).
  static let allow: UInt32 = 0x7fff_0000
  static let log: UInt32 = 0x7ffc_0000
  static let errno: UInt32 = 0x0005_0000

  /// All of it as bytes, for a cache key.
  var fingerprintBytes: [UInt8] {
    var writer = WireWriter(capacity: 16 << 10)
    writer.put(defaultAction)
    writer.put(otherArchitectureAction) { $0.put($1) }
    writer.put(architectures) { $0.put($1) }
    writer.put(rules) { writer, rule in
      writer.put(rule.names)
      writer.put(rule.action)
      writer.put(rule.args) { writer, argument in
        writer.put(argument.index)
        writer.put(argument.op)
        writer.put(argument.value)
        writer.put(argument.valueTwo)
      }
    }
    writer.put(guards) { writer, entry in
      writer.put(entry.syscall)
      writer.put(entry.argument)
      writer.put(entry.values) { $0.put($1) }
    }
    return writer.bytes
  }
}

extension SeccompProfile {
  /// Brings the profile down to this machine.
  ///
  /// - Parameters:
  ///   - capabilities: the container's bounding set, which docker's conditions look at.
  ///   - kernel: the running kernel's version.
  /// - Throws: ``Failure/Code/invalid`` for an unknown action, operator, architecture or capability;
  ///   ``Failure/Code/unsupported`` for SCMP_ACT_NOTIFY without ``listenerPath``, or where nobody
  ///   passes the listener on.
  func resolve(
    capabilities: CapabilitySet, kernel: KernelVersion = .running, allowsListener: Bool = false
  ) throws(Failure) -> ResolvedSeccomp {
    if architectures != nil && archMap != nil {
      throw SeccompProfile.invalid("", "it has both \"architectures\" and \"archMap\"")
    }
    if listenerPath != nil && !allowsListener { throw SeccompProfile.unsupportedNotify }
    if notifies {
      guard allowsListener, listenerPath != nil else { throw SeccompProfile.unsupportedNotify }
      // Whoever answers needs the process to get that far: its last calls are not asked about.
      if defaultAction == SeccompProfile.notify {
        throw SeccompProfile.invalid(
          SeccompProfile.notify, "it cannot be the default action", "name the calls in a rule")
      }
      for rule in syscalls ?? [] where rule.action == SeccompProfile.notify {
        for name in ["read", "write", "execve"] where (rule.names ?? []).contains(name) {
          throw SeccompProfile.invalid(
            SeccompProfile.notify, "\(name) cannot wait for an answer: the start itself needs it")
        }
      }
    }
    var rules: [ResolvedSeccomp.Rule] = []
    for rule in syscalls ?? [] {
      if let resolved = try SeccompProfile.resolve(rule, capabilities, kernel) {
        rules.append(resolved)
      }
    }
    return ResolvedSeccomp(
      defaultAction: try SeccompProfile.action(defaultAction, defaultErrnoRet),
      architectures: try resolveArchitectures(), rules: rules, guards: guards,
      otherArchitectureAction: otherArchitectureErrno.map { ResolvedSeccomp.errno | $0 })
  }

  /// The flags with which the filter is to be loaded.
  ///
  /// - Throws: ``Failure/Code/unsupported`` for one that minidock cannot give effect.
  public func loadFlags() throws(Failure) -> Seccomp.Flags {
    var result: Seccomp.Flags = []
    for flag in flags ?? [] {
      switch flag {
      case "SECCOMP_FILTER_FLAG_TSYNC": result.insert(.threadSynchronize)
      case "SECCOMP_FILTER_FLAG_LOG": result.insert(.log)
      case "SECCOMP_FILTER_FLAG_SPEC_ALLOW": result.insert(.allowSpeculation)
      case "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV" where notifies: result.insert(.waitKillable)
      default:
        throw Failure(
          .unsupported, "use seccomp profile", "flag \"\(flag)\"",
          reason: "it is unknown or needs a listener")
      }
    }
    return result
  }

  static func invalid(_ object: String, _ reason: String, _ remedy: String = "") -> Failure {
    Failure(.invalid, "use seccomp profile", object, reason: reason, remedy: remedy)
  }

  static let notify = "SCMP_ACT_NOTIFY"

  /// Whether a rule asks a listener.
  var notifies: Bool {
    defaultAction == SeccompProfile.notify
      || (syscalls ?? []).contains { $0.action == SeccompProfile.notify }
  }

  private static let unsupportedNotify = Failure(
    .unsupported, "use seccomp profile", "SCMP_ACT_NOTIFY",
    reason: "minidock has no listener for notifications", remedy: "use SCMP_ACT_ERRNO")

  private static func resolve(
    _ rule: Rule, _ capabilities: CapabilitySet, _ kernel: KernelVersion
  ) throws(Failure) -> ResolvedSeccomp.Rule? {
    if rule.name != nil && rule.names != nil {
      throw invalid(rule.name ?? "", "a rule has both \"name\" and \"names\"")
    }
    let names = rule.names ?? rule.name.map { [$0] } ?? []
    guard !names.isEmpty, !names.contains("") else { throw invalid("", "a rule names no call") }
    let action = try action(rule.action, rule.errnoRet)
    let args = try (rule.args ?? []).mapTyped { (argument) throws(Failure) in
      try resolve(argument, names[0])
    }
    if let excludes = rule.excludes, try excludes.matchesAny(capabilities, kernel) { return nil }
    if let includes = rule.includes, try !includes.matchesAll(capabilities, kernel) { return nil }
    return ResolvedSeccomp.Rule(names: names, action: action, args: args)
  }

  private static func action(_ text: String, _ number: UInt32?) throws(Failure) -> UInt32 {
    // A tracer gets 16 bits.
    if let number, number > (text == "SCMP_ACT_TRACE" ? 65535 : 4095) {
      throw invalid(text, "\(number) is no error number")
    }
    let operationNotPermitted: UInt32 = 1
    switch text {
    case "SCMP_ACT_ERRNO": return ResolvedSeccomp.errno | (number ?? operationNotPermitted)
    case "SCMP_ACT_TRACE": return 0x7ff0_0000 | (number ?? operationNotPermitted)
    case notify: return 0x7fc0_0000
    default: break
    }
    if number != nil { throw invalid(text, "only an error or trace action takes \"errnoRet\"") }
    switch text {
    case "SCMP_ACT_KILL", "SCMP_ACT_KILL_THREAD": return 0
    case "SCMP_ACT_KILL_PROCESS": return 0x8000_0000
    case "SCMP_ACT_TRAP": return 0x0003_0000
    case "SCMP_ACT_LOG": return ResolvedSeccomp.log
    case "SCMP_ACT_ALLOW": return ResolvedSeccomp.allow
    default: throw invalid("\"\(text)\"", "there is no such action")
    }
  }

  private static func resolve(
    _ argument: Argument, _ name: String
  ) throws(Failure) -> ResolvedSeccomp.Argument {
    // The numbers of libseccomp's enum scmp_compare.
    let operators = [
      "SCMP_CMP_NE", "SCMP_CMP_LT", "SCMP_CMP_LE", "SCMP_CMP_EQ", "SCMP_CMP_GE", "SCMP_CMP_GT",
      "SCMP_CMP_MASKED_EQ",
    ]
    guard let position = operators.firstIndex(of: argument.op) else {
      throw invalid("\"\(argument.op)\" of \(name)", "there is no such operator")
    }
    guard argument.index < 6 else {
      throw invalid("argument \(argument.index) of \(name)", "a call has arguments 0 to 5")
    }
    return ResolvedSeccomp.Argument(
      index: argument.index, op: UInt32(position + 1), value: argument.value,
      valueTwo: argument.valueTwo ?? 0)
  }

  private func resolveArchitectures() throws(Failure) -> [UInt32] {
    let native = seccomp_arch_native()
    var tokens = [native]
    var names = architectures ?? []
    for mapping in archMap ?? []
    where try SeccompProfile.token(mapping.architecture, lenient: true) == native {
      names += mapping.subArchitectures ?? []
    }
    for name in names {
      let token = try SeccompProfile.token(name)
      if !tokens.contains(token) { tokens.append(token) }
    }
    return tokens
  }

  // libseccomp names them without the prefix, in lower case; 0 is an unknown name.
  private static func token(_ name: String, lenient: Bool = false) throws(Failure) -> UInt32 {
    let prefix = "SCMP_ARCH_"
    if name == "SCMP_ARCH_NATIVE" { return seccomp_arch_native() }
    let token =
      name.hasPrefix(prefix)
      ? seccomp_arch_resolve_name(name.dropFirst(prefix.count).lowercased()) : 0
    // An archMap lists all that docker knows; only the machine's own entry counts.
    if token == 0 && !lenient { throw invalid("\"\(name)\"", "there is no such architecture") }
    return token
  }
}

extension SeccompProfile.Condition {
  #if arch(x86_64)
    private static let goArchitecture = "amd64"
  #elseif arch(arm64)
    private static let goArchitecture = "arm64"
  #else
    #error("minidock: add Go's name of this architecture")
  #endif

  fileprivate func matchesAll(
    _ capabilities: CapabilitySet, _ kernel: KernelVersion
  ) throws(Failure) -> Bool {
    let required = try CapabilitySet(names: caps ?? [])
    let oldest = try KernelVersion.parse(minKernel)
    let arch = (arches ?? []).isEmpty || arches?.contains(Self.goArchitecture) == true
    return arch && capabilities.isSuperset(of: required) && oldest.map { kernel >= $0 } ?? true
  }

  fileprivate func matchesAny(
    _ capabilities: CapabilitySet, _ kernel: KernelVersion
  ) throws(Failure) -> Bool {
    let named = try CapabilitySet(names: caps ?? [])
    let oldest = try KernelVersion.parse(minKernel)
    let arch = arches?.contains(Self.goArchitecture) == true
    return arch || !capabilities.isDisjoint(with: named) || oldest.map { kernel >= $0 } ?? false
  }
}

extension Array {
  /// `map` that passes on a typed error.
  fileprivate func mapTyped<Result>(
    _ body: (Element) throws(Failure) -> Result
  ) throws(Failure) -> [Result] {
    var results: [Result] = []
    results.reserveCapacity(count)
    for element in self { results.append(try body(element)) }
    return results
  }
}

/// The first two numbers of a kernel's version.
struct KernelVersion: Comparable, Sendable {
  var major: Int
  var minor: Int

  /// The running kernel's, from /proc/sys/kernel/osrelease.
  static var running: KernelVersion {
    let text = ControlDirectory("/proc/sys/kernel").text("osrelease") ?? ""
    return (try? parse(text)) ?? KernelVersion(major: 0, minor: 0)
  }

  static func parse(_ text: String?) throws(Failure) -> KernelVersion? {
    guard let text else { return nil }
    let parts = text.split(separator: ".", maxSplits: 2)
    let minor = parts.count > 1 ? parts[1].prefix { $0.isNumber } : ""
    guard parts.count > 1, let major = Int(parts[0]), let minor = Int(minor) else {
      throw SeccompProfile.invalid("minKernel \"\(text)\"", "it is no kernel version")
    }
    return KernelVersion(major: major, minor: minor)
  }

  static func < (a: KernelVersion, b: KernelVersion) -> Bool {
    (a.major, a.minor) < (b.major, b.minor)
  }
}
