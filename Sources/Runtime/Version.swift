/// The version of minidock, which `minidock --version` and the OCI runtime name.
public enum Version {
  /// Major, minor and patch, as semver.org has them.
  public static let number = "0.1.0"
}
