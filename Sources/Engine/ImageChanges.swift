import Image
import Linux

/// The Dockerfile instructions of `import --change` and `commit --change`, applied to an image's run configuration.
public struct ImageChanges {
  private let instructions: [String]

  /// Instructions in the order given.
  public init(_ instructions: [String]) { self.instructions = instructions }

  /// The configuration that they describe.
  ///
  /// - Parameter base: what they change.
  /// - Throws: ``Failure/Code/invalid`` naming the instruction.
  public func config(changing base: ImageConfig = ImageConfig()) throws(Failure) -> ImageConfig {
    var config = base
    // As in a Dockerfile, another entry point drops the command that was meant for the one before.
    var isCommandSet = false
    for instruction in instructions {
      let parts = instruction.split(maxSplits: 1, whereSeparator: \.isWhitespace).map(String.init)
      func wrong(_ reason: String) -> Failure {
        Failure(.invalid, "parse", "--change \"\(instruction)\"", reason: reason)
      }
      guard parts.count == 2 else { throw wrong("it has no argument") }
      let argument = parts[1].trimmed
      switch parts[0].uppercased() {
      case "CMD":
        config.cmd = try ImageChanges.words(argument, wrong)
        isCommandSet = true
      case "ENTRYPOINT":
        config.entrypoint = try ImageChanges.words(argument, wrong)
        if !isCommandSet { config.cmd = [] }
      case "ENV":
        for (key, value) in try ImageChanges.pairs(argument, wrong) {
          config.env = Environment.merge([config.env, ["\(key)=\(value)"]])
        }
      case "LABEL":
        for (key, value) in try ImageChanges.pairs(argument, wrong) { config.labels[key] = value }
      case "USER": config.user = argument
      case "WORKDIR":
        guard argument.hasPrefix("/") else { throw wrong("it is not an absolute path") }
        config.workingDir = argument
      case "EXPOSE":
        config.exposedPorts += argument.split(separator: " ").map {
          $0.contains("/") ? String($0) : $0 + "/tcp"
        }
      case "VOLUME": config.volumes += try ImageChanges.list(argument, wrong)
      case "STOPSIGNAL":
        guard Signals.number(argument) != nil else { throw wrong("no such signal") }
        config.stopSignal = argument
      case "HEALTHCHECK": config.healthcheck = try ImageChanges.healthcheck(argument, wrong)
      default:
        throw wrong("unknown instruction \(parts[0])")
      }
    }
    return config
  }

  // "NONE", or options "--interval=30s" and then "CMD" with either form of a command.
  private static func healthcheck(
    _ text: String, _ wrong: (String) -> Failure
  ) throws(Failure) -> Healthcheck {
    var check = Healthcheck(test: [])
    var rest = text
    while rest.hasPrefix("--") {
      let option = String(rest.prefix { !$0.isWhitespace })
      rest = rest.dropFirst(option.count).trimmed
      let parts = option.split(separator: "=", maxSplits: 1).map(String.init)
      guard parts.count == 2 else { throw wrong("\(option) has no value") }
      func time() throws(Failure) -> Int64 {
        try Duration.nanoseconds(parts[1], flag: "HEALTHCHECK \(parts[0])")
      }
      switch parts[0] {
      case "--interval": check.interval = try time()
      case "--timeout": check.timeout = try time()
      case "--start-period": check.startPeriod = try time()
      case "--start-interval": check.startInterval = try time()
      case "--retries":
        guard let number = Int(parts[1]), number > 0 else { throw wrong("retries is no number") }
        check.retries = number
      default: throw wrong("unknown option \(parts[0])")
      }
    }
    if rest.uppercased() == "NONE" {
      check.test = ["NONE"]
      return check
    }
    guard rest.uppercased().hasPrefix("CMD") else { throw wrong("it is neither NONE nor CMD") }
    let command = String(rest.dropFirst(3)).trimmed
    guard !command.isEmpty else { throw wrong("CMD has no command") }
    check.test =
      command.hasPrefix("[") ? ["CMD"] + (try list(command, wrong)) : ["CMD-SHELL", command]
    return check
  }

  // The exec form is a JSON list of strings; the shell form runs in sh, as docker's does.
  private static func words(
    _ text: String, _ wrong: (String) -> Failure
  ) throws(Failure) -> [String] {
    text.hasPrefix("[") ? try list(text, wrong) : ["/bin/sh", "-c", text]
  }

  private static func list(
    _ text: String, _ wrong: (String) -> Failure
  ) throws(Failure) -> [String] {
    guard text.hasPrefix("[") else { return text.split(separator: " ").map(String.init) }
    guard text.hasSuffix("]") else { throw wrong("the list has no end") }
    let inner = String(text.dropFirst().dropLast())
    if inner.trimmed.isEmpty { return [] }
    return try pieces(inner, separator: ",", wrong).map {
      piece throws(Failure) in
      let word = piece.trimmed
      guard word.count >= 2, word.hasPrefix("\""), word.hasSuffix("\"") else {
        throw wrong("the list is not one of strings in double quotes")
      }
      return unescape(word.dropFirst().dropLast())
    }
  }

  // The escapes that JSON has for what stands in commands.
  private static func unescape(_ text: Substring) -> String {
    var result = ""
    var isEscaped = false
    for character in text {
      if isEscaped {
        switch character {
        case "n": result.append("\n")
        case "t": result.append("\t")
        default: result.append(character)
        }
        isEscaped = false
      } else if character == "\\" {
        isEscaped = true
      } else {
        result.append(character)
      }
    }
    return result
  }

  // KEY=VALUE pairs with optional double quotes, or docker's old form "KEY VALUE".
  private static func pairs(
    _ text: String, _ wrong: (String) -> Failure
  ) throws(Failure) -> [(String, String)] {
    guard text.prefix(while: { $0 != " " }).contains("=") else {
      let parts = text.split(separator: " ", maxSplits: 1).map(String.init)
      guard parts.count == 2 else { throw wrong("it is not KEY=VALUE") }
      return [(parts[0], parts[1])]
    }
    return try pieces(text, separator: " ", wrong).filter { !$0.isEmpty }.map {
      piece throws(Failure) in
      let parts = piece.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard parts.count == 2, !parts[0].isEmpty else { throw wrong("it is not KEY=VALUE") }
      return (String(parts[0]), parts[1].filter { $0 != "\"" })
    }
  }

  // Splits at a separator that stands outside double quotes.
  private static func pieces(
    _ text: String, separator: Character, _ wrong: (String) -> Failure
  ) throws(Failure) -> [String] {
    var result = [""]
    var quoted = false
    var isEscaped = false
    for character in text {
      if character == "\"" && !isEscaped { quoted.toggle() }
      isEscaped = character == "\\" && !isEscaped
      if character == separator && !quoted {
        result.append("")
      } else {
        result[result.count - 1].append(character)
      }
    }
    guard !quoted else { throw wrong("a string has no end") }
    return result
  }
}
