import Linux

/// The options of an OCI mount, sorted into what the kernel wants in different places.
struct MountOptions: Equatable {
  var set: MountAttributes = []
  var clear: MountAttributes = []
  /// From "rro" and the like: attributes that reach the mounts below as well (Linux 5.12).
  var recursiveSet: MountAttributes = []
  var recursiveClear: MountAttributes = []
  var propagation: Propagation?
  /// From the propagations with an "r" in front.
  var isPropagationRecursive = false
  var isBind = false
  var isRecursive = false
  /// "remount": what is mounted there already gets the attributes.
  var isRemount = false
  /// "idmap" or, with true, "ridmap".
  var idmap: Bool?
  /// "tmpcopyup": what the directory had is copied into the new tmpfs.
  var copiesUp = false
  /// What is left: options of the file system itself.
  var data: [String] = []

  /// Sorts options as mount(8) and runtime-spec's "Linux mount options" name them.
  init(_ options: [String]) {
    for option in options {
      switch option {
      case "bind": isBind = true
      case "rbind": (isBind, isRecursive) = (true, true)
      case "remount": isRemount = true
      case "idmap": idmap = idmap ?? false
      case "ridmap": idmap = true
      case "tmpcopyup": copiesUp = true
      case "private", "rprivate": propagate(.isPrivate, option)
      case "slave", "rslave": propagate(.slave, option)
      case "shared", "rshared": propagate(.shared, option)
      case "unbindable", "runbindable": propagate(.unbindable, option)
      // The last two only ask the kernel to log less or more.
      case "defaults", "silent", "loud": break
      default: if !take(attribute: option) { data.append(option) }
      }
    }
  }

  private mutating func propagate(_ propagation: Propagation, _ option: String) {
    self.propagation = propagation
    isPropagationRecursive = option.hasPrefix("r")
  }

  private mutating func take(attribute option: String) -> Bool {
    if let attribute = MountOptions.attribute(option) {
      set.formUnion(attribute)
      clear.subtract(attribute)
    } else if let attribute = MountOptions.inverse(option) {
      clear.formUnion(attribute)
      set.subtract(attribute)
    } else if option.utf8.first == UInt8(ascii: "r") {
      // As "ro" and "rw" were taken above, what is left with an "r" in front reaches the mounts below.
      let plain = String(option.dropFirst())
      if let attribute = MountOptions.attribute(plain) {
        recursiveSet.formUnion(attribute)
        recursiveClear.subtract(attribute)
      } else if let attribute = MountOptions.inverse(plain) {
        recursiveClear.formUnion(attribute)
        recursiveSet.subtract(attribute)
      } else {
        return false
      }
    } else {
      return false
    }
    return true
  }

  private static func attribute(_ option: String) -> MountAttributes? {
    switch option {
    case "ro": .readOnly
    case "nosuid": .noSetuid
    case "nodev": .noDevices
    case "noexec": .noExecute
    case "noatime": .noAccessTime
    case "strictatime": .strictAccessTime
    // What is left for a mount that has not relatime is strictatime, and the kernel does without that word.
    case "norelatime": []
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
    // The kernel's way for a new mount; what is bound may have another.
    case "relatime": [.noAccessTime, .strictAccessTime]
    case "nostrictatime": .strictAccessTime
    case "diratime": .noDirectoryAccessTime
    case "symfollow": .noSymlinkFollow
    default: nil
    }
  }
}

extension MountOptions {
  /// Every option that is understood here; others go to the file system, which refuses what it does not
  /// know.
  static let known: [String] = {
    let attributes = [
      "ro", "rw", "nosuid", "suid", "nodev", "dev", "noexec", "exec", "noatime", "atime",
      "strictatime", "nostrictatime", "relatime", "norelatime", "nodiratime", "diratime",
      "nosymfollow", "symfollow",
    ]
    let others = [
      "bind", "rbind", "remount", "idmap", "ridmap", "tmpcopyup", "defaults", "silent", "loud",
      "sync", "async", "dirsync", "lazytime", "nolazytime", "mand", "nomand", "private",
      "rprivate", "slave", "rslave", "shared", "rshared", "unbindable", "runbindable",
    ]
    return (others + attributes + attributes.map { "r" + $0 }).sorted()
  }()
}
