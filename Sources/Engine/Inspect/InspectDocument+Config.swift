import Image
import Linux

/// What a container runs, and where its files are, in docker's words.
extension InspectDocument {
  static func config(
    _ record: ContainerRecord, _ options: RunOptions, _ image: ImageRecord?
  ) -> JSONValue {
    let entrypoint = Array(record.command.prefix(record.entrypointCount))
    let isAttached = !options.detached
    let volumes = image?.config.volumes ?? []
    return .object([
      ("Hostname", .string(record.hostname)),
      ("Domainname", .string(options.domainname ?? "")),
      ("User", .string(record.user)),
      ("AttachStdin", .bool(isAttached && record.interactive)),
      ("AttachStdout", .bool(isAttached)),
      ("AttachStderr", .bool(isAttached)),
      ("ExposedPorts", .object(record.exposed.map { ($0, .object([])) })),
      ("Tty", .bool(record.terminal)),
      ("OpenStdin", .bool(record.interactive)),
      ("StdinOnce", .bool(isAttached && record.interactive)),
      ("Env", .strings(record.environment)),
      ("Cmd", .strings(Array(record.command.dropFirst(record.entrypointCount)))),
      ("Healthcheck", healthcheck(options.health)),
      ("Image", .string(record.image)),
      ("Volumes", volumes.isEmpty ? .null : .object(volumes.map { ($0, .object([])) })),
      ("WorkingDir", .string(record.workingDirectory)),
      ("Entrypoint", entrypoint.isEmpty ? .null : .strings(entrypoint)),
      ("OnBuild", .null),
      ("Labels", .object(record.labels.map { ($0.key, .string($0.value)) })),
      ("StopSignal", .string(record.stopSignal)),
      ("StopTimeout", options.stopTimeout.map { .number(Int64($0)) } ?? .null),
    ])
  }

  private static func healthcheck(_ health: HealthOptions) -> JSONValue {
    if health.isOff { return .object([("Test", .strings(["NONE"]))]) }
    guard health.isActive else { return .null }
    // What --health-cmd gave and CMD-SHELL in an image is run by this shell, in docker's form by its name.
    let shell = ["/bin/sh", "-c"]
    let test =
      health.command.starts(with: shell)
      ? ["CMD-SHELL"] + health.command.dropFirst(2) : ["CMD"] + health.command
    return .object([
      ("Test", .strings(test)),
      ("Interval", .number(health.interval)),
      ("Timeout", .number(health.timeout)),
      ("StartPeriod", .number(health.startPeriod)),
      ("StartInterval", .number(health.startInterval)),
      ("Retries", .number(Int64(health.retries))),
    ])
  }

  /// The directories that overlayfs puts together.
  static func graphDriver(_ directory: String, _ image: ImageRecord?) -> JSONValue {
    let lower = (image?.layers ?? []).reversed().map(\.path)
    return .object([
      (
        "Data",
        .object([
          ("LowerDir", .string(lower.joined(separator: ":"))),
          ("MergedDir", .string(directory + "/rootfs")),
          ("UpperDir", .string(directory + "/upper")),
          ("WorkDir", .string(directory + "/work")),
        ])
      ),
      ("Name", .string("overlay2")),
    ])
  }
}

/// How much a container has written.
public enum ContainerSize {
  /// Bytes of the files that a container has changed or added; its image's are not among them.
  public static func written(_ record: ContainerRecord, in installation: Installation) -> Int64 {
    let path = ContainerStore(installation).directory(record.id) + "/upper"
    return (try? Root(path: path))?.contentSize() ?? 0
  }

  /// Bytes of a container's image; 0 when that has been removed.
  public static func image(_ record: ContainerRecord, in installation: Installation) -> Int64 {
    ((try? installation.imageStore().find(record.imageID)) ?? nil)?.size ?? 0
  }
}
