import Linux

// The wire form of the plan: fields in the order of their declaration.

extension WireWriter {
  mutating func put(_ plan: InitPlan) {
    put(plan.namespaces.rawValue)
    put(plan.root)
    put(plan.rootReadOnly)
    put(plan.rootPropagation.rawValue)
    put(plan.hostname)
    put(plan.domainname)
    put(plan.steps) { $0.put($1) }
    put(plan.sysctls) {
      $0.put($1.name)
      $0.put($1.value)
    }
    put(plan.process)
    put(plan.traced)
  }

  private mutating func put(_ root: RootSource) {
    switch root {
    case .directory(let path):
      put(UInt8(0))
      put(path)
    case .overlay(let overlay):
      put(UInt8(1))
      put(overlay.base)
      put(overlay.lower)
      put(overlay.upper)
      put(overlay.work)
      put(overlay.target)
      put(overlay.volatile)
    }
  }

  private mutating func put(_ step: MountStep) {
    switch step {
    case .fileSystem(let type, let source, let target, let options, let attributes):
      put(UInt8(0))
      put(type)
      put(source)
      put(target)
      put(options)
      put(attributes.rawValue)
    case .bind(let source, let target, let options):
      put(UInt8(1))
      put(source)
      put(target)
      put(options)
    case .device(let path, let kind, let major, let minor, let mode, let uid, let gid):
      put(UInt8(2))
      put(path)
      put(kind.rawValue)
      for number in [major, minor, mode, uid, gid] { put(number) }
    case .symlink(let target, let path):
      put(UInt8(3))
      put(target)
      put(path)
    case .console: put(UInt8(4))
    case .seal(let path):
      put(UInt8(7))
      put(path)
    case .copyUp(let target):
      put(UInt8(8))
      put(target)
    case .adjust(let target, let options):
      put(UInt8(9))
      put(target)
      put(options)
    case .mask(let path):
      put(UInt8(5))
      put(path)
    case .readOnly(let path):
      put(UInt8(6))
      put(path)
    }
  }

  private mutating func put(_ options: BindOptions) {
    put(options.recursive)
    for attributes in [
      options.set, options.clear, options.recursiveSet, options.recursiveClear,
    ] { put(attributes.rawValue) }
    put(options.propagation?.rawValue ?? 0)
    put(options.isPropagationRecursive)
    put(options.clone)
  }

  mutating func put(_ process: ProcessPlan) {
    put(process.arguments)
    put(process.environment)
    put(process.workingDirectory)
    put(process.userText) { $0.put($1) }
    put(process.uid)
    put(process.gid)
    put(process.groups) { $0.put($1) }
    put(process.groupTexts)
    put(process.umask)
    let sets = process.capabilities
    for mask in [sets.bounding, sets.effective, sets.permitted, sets.inheritable, sets.ambient] {
      put(mask)
    }
    put(process.noNewPrivileges)
    put(process.seccomp) { $0.put($1) }
    put(process.rlimits) {
      $0.put($1.resource)
      $0.put($1.soft)
      $0.put($1.hard)
    }
    put(process.oomScoreAdjust) { $0.put($1) }
    put(process.hasTerminal)
    put(process.terminalSize) {
      $0.put($1.rows)
      $0.put($1.columns)
    }
    put(process.reaps)
    put(process.makesWorkingDirectory)
    put(process.outlivesParent)
    put(process.extras)
  }
}

extension InitPlan {
  init(_ reader: inout WireReader) throws(Failure) {
    self.init()
    namespaces = Namespaces(rawValue: try reader.get())
    root = try RootSource(&reader)
    rootReadOnly = try reader.getBool()
    rootPropagation = Propagation(rawValue: try reader.get()) ?? .isPrivate
    hostname = try reader.getString()
    domainname = try reader.getString()
    steps = try reader.getList { (reader) throws(Failure) in try MountStep(&reader) }
    sysctls = try reader.getList { (reader) throws(Failure) in
      Sysctl(name: try reader.getString(), value: try reader.getString())
    }
    process = try ProcessPlan(&reader)
    traced = try reader.getBool()
  }
}

extension RootSource {
  fileprivate init(_ reader: inout WireReader) throws(Failure) {
    if try reader.get(UInt8.self) == 0 {
      self = .directory(path: try reader.getString())
    } else {
      self = .overlay(
        Overlay(
          base: try reader.getString(), lower: try reader.getStrings(),
          upper: try reader.getString(), work: try reader.getString(),
          target: try reader.getString(), volatile: try reader.getBool()))
    }
  }
}

extension MountStep {
  fileprivate init(_ reader: inout WireReader) throws(Failure) {
    switch try reader.get(UInt8.self) {
    case 0:
      self = .fileSystem(
        type: try reader.getString(), source: try reader.getString(),
        target: try reader.getString(), options: try reader.getStrings(),
        attributes: MountAttributes(rawValue: try reader.get()))
    case 1:
      self = .bind(
        source: try reader.getString(), target: try reader.getString(),
        options: try BindOptions(&reader))
    case 2:
      let path = try reader.getString()
      guard let kind = DeviceKind(rawValue: try reader.get()) else {
        throw Failure(.corrupt, "decode", "plan", reason: "unknown kind of device")
      }
      self = .device(
        path: path, kind: kind, major: try reader.get(), minor: try reader.get(),
        mode: try reader.get(), uid: try reader.get(), gid: try reader.get())
    case 3: self = .symlink(target: try reader.getString(), path: try reader.getString())
    case 4: self = .console
    case 5: self = .mask(path: try reader.getString())
    case 6: self = .readOnly(path: try reader.getString())
    case 7: self = .seal(path: try reader.getString())
    case 8: self = .copyUp(target: try reader.getString())
    case 9:
      self = .adjust(target: try reader.getString(), options: try BindOptions(&reader))
    case let tag: throw Failure(.corrupt, "decode", "plan", reason: "unknown mount step \(tag)")
    }
  }
}

extension BindOptions {
  fileprivate init(_ reader: inout WireReader) throws(Failure) {
    self.init()
    recursive = try reader.getBool()
    set = MountAttributes(rawValue: try reader.get())
    clear = MountAttributes(rawValue: try reader.get())
    recursiveSet = MountAttributes(rawValue: try reader.get())
    recursiveClear = MountAttributes(rawValue: try reader.get())
    propagation = Propagation(rawValue: try reader.get())
    isPropagationRecursive = try reader.getBool()
    clone = try reader.get()
  }
}

extension ProcessPlan {
  init(_ reader: inout WireReader) throws(Failure) {
    self.init()
    arguments = try reader.getStrings()
    environment = try reader.getStrings()
    workingDirectory = try reader.getString()
    userText = try reader.getOptional { (reader) throws(Failure) in try reader.getString() }
    uid = try reader.get()
    gid = try reader.get()
    groups = try reader.getList { (reader) throws(Failure) in try reader.get() }
    groupTexts = try reader.getStrings()
    umask = try reader.get()
    capabilities.bounding = try reader.get()
    capabilities.effective = try reader.get()
    capabilities.permitted = try reader.get()
    capabilities.inheritable = try reader.get()
    capabilities.ambient = try reader.get()
    noNewPrivileges = try reader.getBool()
    seccomp = try reader.getOptional { (reader) throws(Failure) in try reader.getBytes() }
    rlimits = try reader.getList { (reader) throws(Failure) in
      ResourceLimit(resource: try reader.get(), soft: try reader.get(), hard: try reader.get())
    }
    oomScoreAdjust = try reader.getOptional { (reader) throws(Failure) in try reader.get() }
    hasTerminal = try reader.getBool()
    terminalSize = try reader.getOptional { (reader) throws(Failure) in
      TerminalSize(rows: try reader.get(), columns: try reader.get())
    }
    reaps = try reader.getBool()
    makesWorkingDirectory = try reader.getBool()
    outlivesParent = try reader.getBool()
    extras = try ProcessExtras(&reader)
  }
}
