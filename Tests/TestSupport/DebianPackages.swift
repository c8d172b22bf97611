import Glibc
import Linux
import Testing

/// Debian's own files, more than 10,000 of them, from packages of the release that this machine's apt is
/// configured with. They are fetched once, to `build/debian-packages`.
public enum DebianPackages {
  // None has its version in its name.
  private static let names = [
    "base-files", "base-passwd", "bash", "coreutils", "dpkg", "findutils", "git", "grep", "gzip",
    "iputils-ping", "libc6", "libc-bin", "login", "manpages-dev", "manpages-fr", "mount",
    "ncurses-base", "ncurses-term", "passwd", "perl-base", "perl-doc", "sed", "sudo", "tar",
    "tzdata",
    "util-linux", "vim-runtime",
  ]

  private static let directory: String = {
    let here = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
    return "/\(here)/build/debian-packages"
  }()

  /// Whether they are here, or could be fetched.
  public static let areHere: Bool = {
    guard isRoot, hasProgram("apt-get"), hasProgram("dpkg-deb"), hasProgram("setcap") else {
      return false
    }
    let fetched = try? run(
      [
        "bash", "-c",
        #"""
        [ ! -e "$1/complete" ] || exit 0
        mkdir -p "$1" && cd "$1" && rm -f -- *.deb
        apt() {
          apt-get -qq -o APT::Sandbox::User=root -o Acquire::Retries=1 -o Acquire::http::Timeout=20 "$@"
        }
        apt download "${@:2}" || { apt update && apt download "${@:2}"; } || exit 1
        : > complete
        """#, "fetch", directory,
      ] + names, timeoutSeconds: 300)
    return fetched?.status == 0
  }()

  /// What a disabled test says.
  public static let requirement: Comment =
    "needs root, apt-get, dpkg-deb, setcap and a mirror of Debian that can be reached"

  /// Unpacks all of them over one another, and does what their scripts do that tells in a file's properties.
  public static func unpack(into root: String) throws {
    let result = try run(
      [
        "bash", "-ec",
        #"""
        mkdir "$2"; for package in "$1"/*.deb; do dpkg-deb -x "$package" "$2"; done; cd "$2"
        setcap cap_net_raw+ep "$(find . -name ping -type f | head -n 1)"
        install -d -o 6 -g 12 -m 2755 var/cache/man
        echo 'root:*:20000:0:99999:7:::' > etc/shadow; chown 0:42 etc/shadow; chmod 640 etc/shadow
        """#, "unpack", directory, root,
      ], timeoutSeconds: 300)
    guard result.status == 0 else {
      throw Failure(.invalid, "unpack", "Debian's packages", reason: result.errors)
    }
  }
}
