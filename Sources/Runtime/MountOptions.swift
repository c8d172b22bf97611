import Linux

/// The options of an OCI mount, sorted into what the kernel wants in different places.
struct MountOptions: Equatable {
  var set: MountAttributes = []
  var clear: MountAttributes = []
  var propagation: Propagation?
  var isBind = false
  var isRecursive = false
  /// From "rro" and "rrw": the attributes reach the mounts below as well (Linux 5.12).
  var areAttributesRecursive = false
  /// What is left: options of the file system itself.
  var data: [String] = []

  /// Sorts options as mount(8) and runtime-spec's "Linux mount options" name them.
  init(_ options: [String]) {
    for option in options {
      switch option {
      case "bind": isBind = true
      case "rbind": (isBind, isRecursive) = (true, true)
      case "rro":
        set.formUnion(.readOnly)
        areAttributesRecursive = true
      case "rrw":
        clear.formUnion(.readOnly)
        set.subtract(.readOnly)
        areAttributesRecursive = true
      case "private", "rprivate": propagation = .isPrivate
      case "slave", "rslave": propagation = .slave
      case "shared", "rshared": propagation = .shared
      case "unbindable", "runbindable": propagation = .unbindable
      case "defaults", "relatime": break
      default:
        if let attribute = MountOptions.attribute(option) {
          set.formUnion(attribute)
          clear.subtract(attribute)
        } else if let attribute = MountOptions.inverse(option) {
          clear.formUnion(attribute)
          set.subtract(attribute)
        } else {
          data.append(option)
        }
      }
    }
  }

  private static func attribute(_ option: String) -> MountAttributes? {
    switch option {
    case "ro": .readOnly
    case "nosuid": .noSetuid
    case "nodev": .noDevices
    case "noexec": .noExecute
    case "noatime": .noAccessTime
    case "strictatime": .strictAccessTime
    case "nodiratime": .noDirectoryAccessTime
    case "nosymfollow": .noSymlinkFollow
    default: nil
    }
  }

  private static func inverse(_ option: String) -> MountAttributes? {
    switch option {
    case "rw": .readOnly
    case "suid": .noSetuid
    case "dev": .noDevices
    case "exec": .noExecute
    case "atime": .noAccessTime
    case "diratime": .noDirectoryAccessTime
    case "symfollow": .noSymlinkFollow
    default: nil
    }
  }
}
