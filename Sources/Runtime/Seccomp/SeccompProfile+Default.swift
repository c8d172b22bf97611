extension SeccompProfile {
  /// The profile of a container that asks for none: docker's default, resolved for capabilities.
  ///
  /// Calls that are not allowed fail with EPERM, those newer than the list with ENOSYS. It differs from
  /// docker's where that is safer: TIOCSTI and TIOCLINUX are refused (CVE-2017-5226 and its kin), AF_VSOCK
  /// cannot be passed by setting the argument's unused upper bits, and x32 calls do not exist.
  public static func containerDefault(_ capabilities: CapabilitySet) -> SeccompProfile {
    var profile = SeccompProfile(defaultAction: "SCMP_ACT_ERRNO", defaultErrnoRet: 1)
    #if arch(x86_64)
      profile.architectures = ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"]
    #elseif arch(arm64)
      profile.architectures = ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"]
    #endif
    profile.otherArchitectureErrno = 38  // ENOSYS
    let allow = "SCMP_ACT_ALLOW"
    var names = (SeccompTable.always + [SeccompTable.native]).flatMap(SeccompTable.words)
    for grant in SeccompTable.grants where capabilities.has(grant.capability) {
      names += SeccompTable.words(grant.names).filter { !names.contains($0) }
    }
    var rules = [Rule(names, allow)]
    rules += personalities.map {
      Rule(["personality"], allow, args: [Argument(index: 0, value: $0, op: "SCMP_CMP_EQ")])
    }
    if !capabilities.has(.sysAdmin) {
      // clone without any CLONE_NEW* flag. clone3 passes its flags in memory, where no filter sees them:
      // ENOSYS makes C libraries use clone.
      rules.append(
        Rule(
          ["clone"], allow,
          args: [
            Argument(index: 0, value: namespaceFlags, valueTwo: 0, op: "SCMP_CMP_MASKED_EQ")
          ]))
      rules.append(Rule(["clone3"], "SCMP_ACT_ERRNO", errnoRet: 38))
    }
    profile.syscalls = rules
    profile.guards = [
      SeccompGuard(syscall: "ioctl", argument: 1, values: [tiocsti, tioclinux]),
      // By socketcall(2) of 32-bit programs the family is passed in memory and not seen, as in docker.
      SeccompGuard(syscall: "socket", argument: 0, values: [40 /* AF_VSOCK */]),
    ]
    return profile
  }

  // PER_LINUX, PER_LINUX32, both with UNAME26, and the question for the present one.
  private static let personalities: [UInt64] = [0, 0x8, 0x20000, 0x20008, 0xffff_ffff]
  // CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID and NEWNET.
  private static let namespaceFlags: UInt64 = 0x7e02_0000
  private static let tiocsti: UInt32 = 0x5412
  private static let tioclinux: UInt32 = 0x541c
}
