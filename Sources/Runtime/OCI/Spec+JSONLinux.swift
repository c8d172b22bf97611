import Linux

extension Spec.Linux {
  init(json: JSONValue) throws(JSONFault) {
    self.init()
    namespaces = try json.listMember("namespaces") { (value) throws(JSONFault) in
      Spec.Namespace(
        type: try value.required("type") { (type) throws(JSONFault) in try type.text() },
        path: try value.textMember("path").flatMap { $0.isEmpty ? nil : $0 })
    }
    devices = try json.listMember("devices") { (value) throws(JSONFault) in
      try Spec.Device(json: value)
    }
    cgroupsPath = try json.textMember("cgroupsPath")
    resources = try json.member("resources") { (value) throws(JSONFault) in
      try Resources(json: value)
    }
    uidMappings = try json.listMember("uidMappings") { (value) throws(JSONFault) in
      try Spec.IDMapping(json: value)
    }
    gidMappings = try json.listMember("gidMappings") { (value) throws(JSONFault) in
      try Spec.IDMapping(json: value)
    }
    timeOffsets = try json.member("timeOffsets") { (value) throws(JSONFault) in
      var offsets: [String: Spec.TimeOffset] = [:]
      for (key, offset) in try value.pairs({ (offset) throws(JSONFault) in
        Spec.TimeOffset(
          secs: try offset.integerMember("secs") ?? 0,
          nanosecs: try offset.integerMember("nanosecs") ?? 0)
      }) {
        offsets[key] = offset
      }
      return offsets
    }
    rootfsPropagation = try json.textMember("rootfsPropagation")
    seccomp = try json.member("seccomp") { (value) throws(JSONFault) in
      try SeccompProfile(json: value, form: .runtimeSpec)
    }
    sysctl = try json.textsMember("sysctl")
    maskedPaths = try json.stringsMember("maskedPaths")
    readonlyPaths = try json.stringsMember("readonlyPaths")
    mountLabel = try json.textMember("mountLabel")
    personality = try json.member("personality") { (value) throws(JSONFault) in
      var personality = Spec.Personality(
        domain: try value.required("domain") { (text) throws(JSONFault) in try text.text() })
      personality.flags = try value.stringsMember("flags")
      return personality
    }
    asksForIntelRdt = try json.member("intelRdt") { (value) throws(JSONFault) in
      !(try value.pairs { (_) throws(JSONFault) in true }).isEmpty
    }
    asksForMemoryPolicy = try json.member("memoryPolicy") { (value) throws(JSONFault) in
      !(try value.pairs { (_) throws(JSONFault) in true }).isEmpty
    }
    netDevices = try json.member("netDevices") { (value) throws(JSONFault) in
      var devices: [String: Spec.NetDevice] = [:]
      for (key, device) in try value.pairs({ (device) throws(JSONFault) in
        Spec.NetDevice(name: try device.textMember("name"))
      }) {
        devices[key] = device
      }
      return devices
    }
  }
}

extension Spec.Device {
  init(json: JSONValue) throws(JSONFault) {
    self.init(
      type: try json.required("type") { (value) throws(JSONFault) in try value.text() },
      path: try json.required("path") { (value) throws(JSONFault) in try value.text() },
      major: try json.integerMember("major"), minor: try json.integerMember("minor"),
      fileMode: try json.integerMember("fileMode"), uid: try json.integerMember("uid"),
      gid: try json.integerMember("gid"))
    guard ["c", "u", "b", "p"].contains(type) else {
      throw JSONFault("\"\(type)\" is no type of device").inside("type")
    }
    for (name, number) in [("major", major), ("minor", minor)] {
      guard let number, UInt32(exactly: number) == nil else { continue }
      throw JSONFault("\(number) is no device number").inside(name)
    }
  }
}

extension Resources {
  /// The limits in a document: `linux.resources`, or the file of `update --resources`.
  public init(json: JSONValue) throws(JSONFault) {
    self.init()
    devices = try json.listMember("devices") { (value) throws(JSONFault) in
      DeviceRule(
        allow: try value.required("allow") { (flag) throws(JSONFault) in try flag.flag() },
        type: try value.textMember("type"), major: try value.integerMember("major"),
        minor: try value.integerMember("minor"), access: try value.textMember("access"))
    }
    memory = try json.member("memory") { (value) throws(JSONFault) in try Memory(json: value) }
    cpu = try json.member("cpu") { (value) throws(JSONFault) in try CPU(json: value) }
    pids = try json.member("pids") { (value) throws(JSONFault) in
      Pids(limit: try value.integerMember("limit"))
    }
    blockIO = try json.member("blockIO") { (value) throws(JSONFault) in try BlockIO(json: value) }
    hugepageLimits = try json.listMember("hugepageLimits") { (value) throws(JSONFault) in
      HugepageLimit(
        pageSize: try value.required("pageSize") { (text) throws(JSONFault) in try text.text() },
        limit: try value.required("limit") { (number) throws(JSONFault) in
          try number.integer()
        })
    }
    network = try json.member("network") { (value) throws(JSONFault) in
      var network = Network()
      network.classID = try value.integerMember("classID")
      network.priorities = try value.listMember("priorities") { (entry) throws(JSONFault) in
        Network.Priority(
          name: try entry.required("name") { (text) throws(JSONFault) in try text.text() },
          priority: try entry.required("priority") { (number) throws(JSONFault) in
            try number.integer()
          })
      }
      return network
    }
    rdma = try json.member("rdma") { (value) throws(JSONFault) in
      var devices: [String: RDMA] = [:]
      for (name, limit) in try value.pairs({ (limit) throws(JSONFault) in
        var rdma = RDMA()
        rdma.hcaHandles = try limit.integerMember("hcaHandles")
        rdma.hcaObjects = try limit.integerMember("hcaObjects")
        return rdma
      }) {
        devices[name] = limit
      }
      return devices
    }
    unified = try json.textsMember("unified")
  }
}

extension Resources.Memory {
  fileprivate init(json: JSONValue) throws(JSONFault) {
    self.init(
      limit: try json.integerMember("limit"), reservation: try json.integerMember("reservation"),
      swap: try json.integerMember("swap"))
    kernel = try json.integerMember("kernel")
    kernelTCP = try json.integerMember("kernelTCP")
    swappiness = try json.integerMember("swappiness")
    disableOOMKiller = try json.flagMember("disableOOMKiller")
    useHierarchy = try json.flagMember("useHierarchy")
    checkBeforeUpdate = try json.flagMember("checkBeforeUpdate")
  }
}

extension Resources.CPU {
  fileprivate init(json: JSONValue) throws(JSONFault) {
    self.init(
      shares: try json.integerMember("shares"), quota: try json.integerMember("quota"),
      period: try json.integerMember("period"), cpus: try json.textMember("cpus"),
      mems: try json.textMember("mems"))
    burst = try json.integerMember("burst")
    realtimeRuntime = try json.integerMember("realtimeRuntime")
    realtimePeriod = try json.integerMember("realtimePeriod")
    idle = try json.integerMember("idle")
  }
}

extension Resources.BlockIO {
  fileprivate init(json: JSONValue) throws(JSONFault) {
    self.init(weight: try json.integerMember("weight"))
    leafWeight = try json.integerMember("leafWeight")
    weightDevice = try json.listMember("weightDevice") { (value) throws(JSONFault) in
      var device = Resources.WeightDevice(
        major: try value.integerMember("major") ?? 0, minor: try value.integerMember("minor") ?? 0,
        weight: try value.integerMember("weight"))
      device.leafWeight = try value.integerMember("leafWeight")
      return device
    }
    func rates(_ key: String) throws(JSONFault) -> [Resources.ThrottleDevice]? {
      try json.listMember(key) { (value) throws(JSONFault) in
        Resources.ThrottleDevice(
          major: try value.integerMember("major") ?? 0,
          minor: try value.integerMember("minor") ?? 0,
          rate: try value.required("rate") { (number) throws(JSONFault) in
            try number.integer()
          })
      }
    }
    throttleReadBpsDevice = try rates("throttleReadBpsDevice")
    throttleWriteBpsDevice = try rates("throttleWriteBpsDevice")
    throttleReadIOPSDevice = try rates("throttleReadIOPSDevice")
    throttleWriteIOPSDevice = try rates("throttleWriteIOPSDevice")
  }
}
