import Glibc
import Linux

/// Small static programs that attempt an escape from inside a container, and a naive engine that lacks
/// the defences, for negative controls. Compiled once from C by the system's compiler.
public final class SecurityTools: Sendable {
  /// The directory to bind into containers as /tools; holds `tool` (static) and, for the host,
  /// `dynamic` (the same, dynamically linked) and `linker` (a program in the dynamic linker's place).
  public let directory: String
  /// The static program on the host.
  public var tool: String { directory + "/tool" }

  /// The programs, compiled when first used.
  public static func shared() throws -> SecurityTools { try built.get() }

  private static let built = Result { try SecurityTools() }

  private init() throws {
    let base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp"
    directory = "\(base)/minidock-tools-\(randomHex(bytes: 5))"
    try Files.claimDirectory(directory, mode: 0o755)
    // The programs live as long as the test process, which has no other end to hook into.
    atexit { if let tools = try? SecurityTools.shared() { try? Files.removeTree(tools.directory) } }
    try compile("tool", securityToolSource, ["-static"])
    try compile("dynamic", securityToolSource, [])
    try compile(
      "linker", hostileLinkerSource,
      ["-static", "-nostdlib", "-ffreestanding", "-fno-stack-protector", "-no-pie"])
  }

  private func compile(_ name: String, _ source: String, _ flags: [String]) throws {
    let path = "\(directory)/\(name)"
    try Files.replace(path + ".c", with: Array(source.utf8), mode: 0o644)
    let result = try run(
      [hasProgram("gcc") ? "gcc" : "clang", "-O1", "-o", path, path + ".c"] + flags)
    guard result.status == 0 else {
      throw Failure(.invalid, "compile", name, reason: result.errors)
    }
  }
}

/// Stands in for the dynamic linker of a hostile image: it runs inside the process whose executable is
/// the host's program, opens that and hands it on (the technique of CVE-2019-5736).
private let hostileLinkerSource = #"""
  static long call(long number, long a, long b, long c, long d) {
  #if defined(__x86_64__)
    long result;
    register long r10 __asm__("r10") = d;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10)
                     : "rcx", "r11", "memory");
    return result;
  #elif defined(__aarch64__)
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
    return x0;
  #endif
  }
  #if defined(__x86_64__)
  enum { OPENAT = 257, EXECVE = 59, EXIT = 60 };
  #else
  enum { OPENAT = 56, EXECVE = 221, EXIT = 93 };
  #endif
  void _start(void) {
    long fd = call(OPENAT, -100, (long)"/proc/self/exe", 0, 0);
    char number[3] = {(char)('0' + fd % 10), 0, 0};
    char *arguments[4];
    arguments[0] = "tool";
    arguments[1] = "overwrite";
    arguments[2] = number;
    arguments[3] = 0;
    if (fd >= 0) call(EXECVE, (long)"/tools/tool", (long)arguments, 0, 0);
    call(EXIT, 99, 0, 0, 0);
  }
  """#
