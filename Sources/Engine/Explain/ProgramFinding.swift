import Linux

/// Why a container's command could not be executed: what stands, or does not stand, in its files.
enum ProgramFinding {
  static func find(_ evidence: Evidence) -> Finding? {
    guard evidence.startFailure == 126 || evidence.startFailure == 127,
      let command = evidence.record.command.first, evidence.state.error.hasPrefix("execute")
    else { return nil }
    let search = Search(evidence, command)
    guard !search.tree.isEmpty else { return general(evidence, command) }
    guard let (path, entry) = search.found else { return notFound(evidence, command, search) }
    let finding =
      unusable(evidence, path, entry) ?? contents(evidence, search, path, entry)
    return finding ?? general(evidence, path)
  }

  /// Where a command is looked for.
  struct Search {
    let tree: ContainerTree
    /// The paths that were tried, in order.
    var candidates: [String]
    /// The first that exists.
    var found: (path: String, entry: ContainerTree.Entry)?

    init(_ evidence: Evidence, _ command: String) {
      tree = evidence.tree
      let directory = evidence.record.workingDirectory
      if command.contains("/") {
        candidates = [command.hasPrefix("/") ? command : directory + "/" + command]
      } else {
        candidates = Search.path(evidence.record).map { "\($0)/\(command)" }
      }
      for candidate in candidates where !tree.isCovered(candidate) {
        if let entry = tree.find(candidate) {
          found = (candidate, entry)
          return
        }
      }
    }

    static func path(_ record: ContainerRecord) -> [String] {
      let value =
        record.environment.last { $0.hasPrefix("PATH=") }.map { String($0.dropFirst(5)) }
        ?? "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
      return value.split(separator: ":").map(String.init)
    }
  }

  private static func notFound(
    _ evidence: Evidence, _ command: String, _ search: Search
  ) -> Finding {
    let isPath = command.contains("/")
    var finding = Finding(
      kind: "command-not-found",
      headline: "\(evidence.name) did not start: there is no \"\(command)\" "
        + (isPath ? "in its files" : "in the directories of its PATH"))
    let folders = search.candidates.map(\.dropLastComponent)
    let name = command.split(separator: "/").last.map(String.init) ?? command
    let near = NearMiss.of(name, among: folders.flatMap { search.tree.names(in: $0) })
    finding.facts.append(.init("looked for", search.candidates.joined(separator: ", ")))
    if !near.isEmpty {
      finding.facts.append(.init("similar", near.joined(separator: ", ")))
      finding.advice.append("did you mean \"\(near[0])\"?")
    }
    if command.contains(" ") {
      finding.advice.append(
        "the whole text \"\(command)\" was taken for the program's name: write its words as "
          + "separate arguments, or use sh -c")
    }
    if !isPath, let entry = search.tree.find(evidence.record.workingDirectory + "/" + command) {
      finding.advice.append("write ./\(command): \(entry.path) is there, but not in PATH")
    }
    if search.candidates.contains(where: search.tree.isCovered) {
      finding.facts.append(.init("mounts", "a volume or bind covers the place; look into it"))
    }
    if finding.advice.isEmpty {
      finding.advice.append(
        "check its spelling, or use an image that has it: minidock run --rm \(evidence.record.image) "
          + "ls \(folders.last ?? "/bin")")
    }
    return finding
  }

  // What the file is, before what is in it.
  private static func unusable(
    _ evidence: Evidence, _ path: String, _ entry: ContainerTree.Entry
  ) -> Finding? {
    switch entry.status.kind {
    case .directory:
      return Finding(
        kind: "not-executable",
        headline: "\(evidence.name) did not start: its command \(path) is a directory",
        advice: ["name a program in it: " + path + "/…"])
    case .regular where entry.status.permissions & 0o111 == 0:
      let mode = String(entry.status.permissions, radix: 8)
      return Finding(
        kind: "not-executable",
        headline: "\(evidence.name) did not start: its command \(path) is not executable",
        facts: [.init("mode", "0\(mode), no x for anybody")],
        advice: ["chmod +x it where the image is made, or run it by its interpreter: sh \(path)"])
    case .regular: return nil
    default:
      return Finding(
        kind: "not-executable",
        headline: "\(evidence.name) did not start: its command \(path) is no regular file")
    }
  }

  private static func contents(
    _ evidence: Evidence, _ search: Search, _ path: String, _ entry: ContainerTree.Entry
  ) -> Finding? {
    switch ProgramFile(search.tree.head(entry)) {
    case .script(let interpreter, let argument, let hasCarriageReturn):
      return script(evidence, path, interpreter, argument, hasCarriageReturn)
    case .elf(let machine, let loader):
      return elf(evidence, path, machine, loader)
    case .empty:
      return Finding(
        kind: "exec-format",
        headline: "\(evidence.name) did not start: its command \(path) is an empty file")
    case .unknown(let isText):
      var finding = Finding(
        kind: "exec-format",
        headline: "\(evidence.name) did not start: the kernel cannot execute \(path)")
      finding.facts.append(
        .init("file", isText ? "text without a first line such as #!/bin/sh" : "no program"))
      if isText {
        finding.advice.append("begin the file with #!/bin/sh, or run it as sh \(path)")
      }
      return finding
    }
  }

  private static func script(
    _ evidence: Evidence, _ path: String, _ interpreter: String, _ argument: String,
    _ hasCarriageReturn: Bool
  ) -> Finding? {
    let line = "#!" + interpreter + (argument.isEmpty ? "" : " " + argument)
    if hasCarriageReturn {
      return Finding(
        kind: "interpreter-missing",
        headline: "\(evidence.name) did not start: the script \(path) has the line ends of Windows",
        facts: [
          .init(
            "first line", "\(line), and a carriage return that becomes part of the program's name")
        ], advice: ["save it with line feeds alone: dos2unix, or sed -i 's/\\r$//'"])
    }
    guard evidence.tree.find(interpreter) == nil, !evidence.tree.isCovered(interpreter) else {
      return nil
    }
    var finding = Finding(
      kind: "interpreter-missing",
      headline: "\(evidence.name) did not start: the script \(path) wants \(interpreter), which is "
        + "not in the image",
      facts: [.init("first line", line)])
    let name = interpreter.split(separator: "/").last.map(String.init) ?? ""
    let others = Search.path(evidence.record).map { "\($0)/\(name)" }
    if let other = others.first(where: { evidence.tree.find($0) != nil }) {
      finding.advice.append("the image has it as \(other): name that in the first line")
    } else if ["bash", "zsh", "ksh", "dash"].contains(name), evidence.tree.find("/bin/sh") != nil {
      finding.advice.append("the image has /bin/sh: use that, if the script needs no more")
    }
    finding.advice.append("install \(name) in the image")
    return finding
  }

  private static func elf(
    _ evidence: Evidence, _ path: String, _ machine: UInt16, _ loader: String?
  ) -> Finding? {
    let architecture = ProgramFile.architecture(machine)
    if !ProgramFile.runsHere(machine) {
      return Finding(
        kind: "wrong-architecture",
        headline: "\(evidence.name) did not start: \(path) is a program for \(architecture), and "
          + "this host is \(HostPlatform.architecture)",
        advice: [
          "use an image for linux/\(HostPlatform.architecture)",
          "or let the host run programs for \(architecture) through QEMU (binfmt_misc, package "
            + "qemu-user-static)",
        ])
    }
    guard let loader, evidence.tree.find(loader) == nil, !evidence.tree.isCovered(loader) else {
      return nil
    }
    var finding = Finding(
      kind: "loader-missing",
      headline:
        "\(evidence.name) did not start: \(path) needs the loader \(loader), which is not in "
        + "the image",
      facts: [.init("program", "built for \(architecture), dynamically linked")])
    let names = ["/lib", "/lib64"].flatMap { evidence.tree.names(in: $0) }
    let other = names.first { $0.hasPrefix("ld-musl") || $0.hasPrefix("ld-linux") }
    if let other { finding.facts.append(.init("image has", "/lib/\(other)")) }
    let wantsMusl = loader.contains("musl")
    finding.advice.append(
      "link the program statically, or use an image with \(wantsMusl ? "musl" : "glibc")"
        + (other == nil ? "" : ": this one has \(wantsMusl ? "glibc" : "musl")"))
    return finding
  }

  // Nothing more is known than what the attempt said.
  private static func general(_ evidence: Evidence, _ command: String) -> Finding {
    let (text, remedy) = StartFailureFinding.split(evidence.state.error)
    return Finding(
      kind: evidence.startFailure == 127 ? "command-not-found" : "not-executable",
      headline: "\(evidence.name) did not start: its command \(command) could not be executed",
      facts: [.init("reason", text)], advice: remedy.map { [$0] } ?? [])
  }
}

extension String {
  /// A path without its last component: "/" for "/file".
  fileprivate var dropLastComponent: String {
    guard let slash = lastIndex(of: "/") else { return "." }
    return slash == startIndex ? "/" : String(self[..<slash])
  }
}
