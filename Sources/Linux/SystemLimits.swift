import Glibc

/// What the machine has (sysconf(3)).
public enum SystemLimits {
  /// Processors online.
  public static var processors: Int { sysconf(Int32(_SC_NPROCESSORS_ONLN)) }

  /// Memory in bytes.
  public static var memory: Int64 {
    Int64(sysconf(Int32(_SC_PHYS_PAGES))) * Int64(sysconf(Int32(_SC_PAGESIZE)))
  }
}
