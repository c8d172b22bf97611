import Linux

/// Reading profiles: files of docker's form, and `linux.seccomp` of the OCI runtime-spec.
extension SeccompProfile {
  /// Which keys count; others are ignored, as both formats ask for.
  public enum Form: Sendable {
    /// With `archMap`, a single `name`, `includes` and `excludes`.
    case docker
    /// With `flags` and the listener's keys.
    case runtimeSpec
  }

  /// Reads a profile document of at most 1 MiB in docker's form.
  ///
  /// - Throws: ``Failure/Code/invalid`` naming the key that is missing or malformed.
  public init(json: [UInt8], name: String) throws(Failure) {
    guard json.count <= 1 << 20 else {
      throw Failure(.refused, "read seccomp profile", name, reason: "it is larger than 1 MiB")
    }
    do throws(JSONFault) {
      self = try SeccompProfile(json: try JSONValue(parsing: json), form: .docker)
    } catch {
      throw Failure(
        .invalid, "read seccomp profile", name,
        reason: error.path.isEmpty ? error.reason : "\(error.path): \(error.reason)",
        remedy: "docker's documentation of seccomp profiles describes the format")
    }
  }

  /// A profile in a document that has been parsed already.
  init(json: JSONValue, form: Form) throws(JSONFault) {
    self.init(
      defaultAction: try json.required("defaultAction") { (value) throws(JSONFault) in
        try value.text()
      }, defaultErrnoRet: try json.integerMember("defaultErrnoRet"))
    architectures = try json.stringsMember("architectures")
    flags = try json.stringsMember("flags")
    listenerPath = try json.textMember("listenerPath")
    listenerMetadata = try json.textMember("listenerMetadata")
    if form == .docker {
      archMap = try json.listMember("archMap") { (value) throws(JSONFault) in
        ArchitectureMapping(
          architecture: try value.required("architecture") { (text) throws(JSONFault) in
            try text.text()
          }, subArchitectures: try value.stringsMember("subArchitectures"))
      }
    }
    syscalls = try json.listMember("syscalls") { (value) throws(JSONFault) in
      try Rule(json: value, form: form)
    }
  }
}

extension SeccompProfile.Rule {
  fileprivate init(json: JSONValue, form: SeccompProfile.Form) throws(JSONFault) {
    self.init(
      try json.stringsMember("names") ?? [],
      try json.required("action") { (value) throws(JSONFault) in try value.text() },
      errnoRet: try json.integerMember("errnoRet"),
      args: try json.listMember("args") { (value) throws(JSONFault) in
        try SeccompProfile.Argument(json: value)
      })
    guard form == .docker else {
      // Not optional there: a rule for nothing is a mistake that would loosen or tighten the filter unseen.
      _ = try json.required("names") { (_) throws(JSONFault) in true }
      return
    }
    names = try json.stringsMember("names")
    name = try json.textMember("name")
    includes = try json.member("includes") { (value) throws(JSONFault) in
      try SeccompProfile.Condition(json: value)
    }
    excludes = try json.member("excludes") { (value) throws(JSONFault) in
      try SeccompProfile.Condition(json: value)
    }
  }
}

extension SeccompProfile.Argument {
  fileprivate init(json: JSONValue) throws(JSONFault) {
    self.init(
      index: try json.required("index") { (number) throws(JSONFault) in try number.integer() },
      value: try json.required("value") { (number) throws(JSONFault) in try number.integer() },
      valueTwo: try json.integerMember("valueTwo"),
      op: try json.required("op") { (text) throws(JSONFault) in try text.text() })
  }
}

extension SeccompProfile.Condition {
  fileprivate init(json: JSONValue) throws(JSONFault) {
    arches = try json.stringsMember("arches")
    caps = try json.stringsMember("caps")
    minKernel = try json.textMember("minKernel")
  }
}
