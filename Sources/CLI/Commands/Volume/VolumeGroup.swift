import ArgumentParser
import Engine
import Linux

struct VolumeGroup: CommandGroup {
  static let configuration = CommandConfiguration(
    commandName: "volume", _superCommandName: "minidock",
    abstract: "Make, list and remove volumes.",
    discussion: """
      Example:
        minidock volume create data
        minidock run --rm -v data:/data busybox touch /data/file

      A volume keeps files when the containers that use it are gone. It is made by its first use as well; \
      one that is empty gets what the image has at its place.
      """,
    subcommands: [
      VolumeCreateCommand.self, VolumeInspectCommand.self, VolumeLsCommand.self,
      VolumePruneCommand.self, VolumeRmCommand.self,
    ])
}
