import Linux

/// Reading config.json. What is not named here is ignored, as the specification asks for; what is named
/// must have its type.
extension Spec {
  /// The specification in a document.
  ///
  /// - Throws: the fault with the member's path, such as "linux.resources.memory.limit".
  public init(json: JSONValue) throws(JSONFault) {
    self.init()
    ociVersion = try json.required("ociVersion") { (value) throws(JSONFault) in try value.text() }
    root = try json.member("root") { (value) throws(JSONFault) in
      Root(
        path: try value.required("path") { (path) throws(JSONFault) in try path.text() },
        readonly: try value.flagMember("readonly"))
    }
    hostname = try json.textMember("hostname")
    domainname = try json.textMember("domainname")
    mounts = try json.listMember("mounts") { (value) throws(JSONFault) in
      try Mount(json: value)
    }
    process = try json.member("process") { (value) throws(JSONFault) in
      try Process(json: value)
    }
    annotations = try json.textsMember("annotations")
    hooks = try json.member("hooks") { (value) throws(JSONFault) in try Hooks(json: value) }
    linux = try json.member("linux") { (value) throws(JSONFault) in try Linux(json: value) }
  }
}

extension Spec.Mount {
  init(json: JSONValue) throws(JSONFault) {
    self.init(
      destination: try json.required("destination") { (value) throws(JSONFault) in
        try value.text()
      },
      type: try json.textMember("type"), source: try json.textMember("source"),
      options: try json.stringsMember("options"))
    uidMappings = try json.listMember("uidMappings") { (value) throws(JSONFault) in
      try Spec.IDMapping(json: value)
    }
    gidMappings = try json.listMember("gidMappings") { (value) throws(JSONFault) in
      try Spec.IDMapping(json: value)
    }
  }
}

extension Spec.IDMapping {
  init(json: JSONValue) throws(JSONFault) {
    self.init(
      containerID: try json.required("containerID") { (value) throws(JSONFault) in
        try value.integer()
      },
      hostID: try json.required("hostID") { (value) throws(JSONFault) in try value.integer() },
      size: try json.required("size") { (value) throws(JSONFault) in try value.integer() })
  }
}

extension Spec.Process {
  /// The process in a document: the specification's `process`, or the file of `exec --process`.
  public init(json: JSONValue) throws(JSONFault) {
    self.init()
    terminal = try json.flagMember("terminal")
    consoleSize = try json.member("consoleSize") { (value) throws(JSONFault) in
      Spec.ConsoleSize(
        height: try value.integerMember("height") ?? 0,
        width: try value.integerMember("width") ?? 0)
    }
    cwd = try json.required("cwd") { (value) throws(JSONFault) in try value.text() }
    env = try json.stringsMember("env")
    args = try json.stringsMember("args")
    rlimits = try json.listMember("rlimits") { (value) throws(JSONFault) in
      Spec.Rlimit(
        type: try value.required("type") { (type) throws(JSONFault) in try type.text() },
        hard: try value.required("hard") { (limit) throws(JSONFault) in try limit.integer() },
        soft: try value.required("soft") { (limit) throws(JSONFault) in try limit.integer() })
    }
    capabilities = try json.member("capabilities") { (value) throws(JSONFault) in
      try Spec.Capabilities(json: value)
    }
    noNewPrivileges = try json.flagMember("noNewPrivileges")
    oomScoreAdj = try json.integerMember("oomScoreAdj")
    user =
      try json.member("user") { (value) throws(JSONFault) in try Spec.User(json: value) }
      ?? Spec.User()
    apparmorProfile = try json.textMember("apparmorProfile")
    selinuxLabel = try json.textMember("selinuxLabel")
    scheduler = try json.member("scheduler") { (value) throws(JSONFault) in
      try Spec.Scheduler(json: value)
    }
    ioPriority = try json.member("ioPriority") { (value) throws(JSONFault) in
      Spec.IOPriority(
        type: try value.required("class") { (name) throws(JSONFault) in try name.text() },
        priority: try value.integerMember("priority") ?? 0)
    }
    execCPUAffinity = try json.member("execCPUAffinity") { (value) throws(JSONFault) in
      Spec.CPUAffinity(
        initial: try value.textMember("initial"), final: try value.textMember("final"))
    }
  }
}

extension Spec.Capabilities {
  init(json: JSONValue) throws(JSONFault) {
    self.init()
    bounding = try json.stringsMember("bounding")
    effective = try json.stringsMember("effective")
    inheritable = try json.stringsMember("inheritable")
    permitted = try json.stringsMember("permitted")
    ambient = try json.stringsMember("ambient")
  }
}

extension Spec.User {
  init(json: JSONValue) throws(JSONFault) {
    self.init()
    uid = try json.integerMember("uid") ?? 0
    gid = try json.integerMember("gid") ?? 0
    umask = try json.integerMember("umask")
    additionalGids = try json.listMember("additionalGids") { (value) throws(JSONFault) in
      try value.integer()
    }
  }
}

extension Spec.Scheduler {
  init(json: JSONValue) throws(JSONFault) {
    self.init(
      policy: try json.required("policy") { (value) throws(JSONFault) in try value.text() })
    nice = try json.integerMember("nice")
    priority = try json.integerMember("priority")
    flags = try json.stringsMember("flags")
    runtime = try json.integerMember("runtime")
    deadline = try json.integerMember("deadline")
    period = try json.integerMember("period")
  }
}

extension Spec.Hooks {
  init(json: JSONValue) throws(JSONFault) {
    self.init()
    func hooks(_ name: String) throws(JSONFault) -> [Spec.Hook]? {
      try json.listMember(name) { (value) throws(JSONFault) in try Spec.Hook(json: value) }
    }
    prestart = try hooks("prestart")
    createRuntime = try hooks("createRuntime")
    createContainer = try hooks("createContainer")
    startContainer = try hooks("startContainer")
    poststart = try hooks("poststart")
    poststop = try hooks("poststop")
  }
}

extension Spec.Hook {
  init(json: JSONValue) throws(JSONFault) {
    self.init(
      path: try json.required("path") { (value) throws(JSONFault) in try value.text() },
      args: try json.stringsMember("args"), env: try json.stringsMember("env"),
      timeout: try json.integerMember("timeout"))
    guard path.hasPrefix("/") else { throw JSONFault("it is not absolute").inside("path") }
    if let timeout, timeout <= 0 {
      throw JSONFault("\(timeout) is not above zero").inside("timeout")
    }
  }
}
