import Glibc
import Linux
import TestSupport
import Testing

@testable import Image

@Suite("The confined decoder", .enabled(if: isRoot, "needs root"))
struct ConfinementTests {
  /// How a confined child ends that runs `body`, and what it wrote.
  static func end(
    confined: Bool = true, _ body: @escaping (Int32) -> Int32
  ) throws -> Linux.ExitStatus? {
    let directory = try TemporaryDirectory("confined")
    let room = try Descriptor.open(directory.path, .directory)
    let number = room.raw
    let child = try Processes.forkHelper { parent in
      do throws(Failure) {
        try Confinement.dieWithParent(parent)
        let base = Confinement.dataSize()
        if confined {
          try Confinement.keepOnly([number])
          let root = try Confinement.enterDirectory(Descriptor(owning: number), name: "room")
          try Confinement.confine(
            Confinement.Limits(memory: base + 64 << 20, fileSize: 1 << 20, seconds: 10))
          return body(root.release())
        }
        return body(number)
      } catch {
        return 99
      }
    }
    return try Processes.wait(pidfd: child.handle)
  }

  struct Attempt: Sendable, CustomStringConvertible {
    let description: String
    let body: @Sendable (Int32) -> Int32
  }

  /// What code in control of the decoder would try; each returns 0 when it worked.
  static let forbidden: [Attempt] = [
    Attempt(description: "socket") { _ in
      socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0) >= 0 ? 0 : 1
    },
    Attempt(description: "exec") { _ in
      var arguments: [UnsafeMutablePointer<CChar>?] = [strdup("/bin/true"), nil]
      execv("/bin/true", &arguments)
      return 1
    },
    Attempt(description: "kill") { _ in kill(getppid(), 0) == 0 ? 0 : 1 },
    Attempt(description: "mount") { _ in mount("none", "/", "tmpfs", 0, nil) == 0 ? 0 : 1 },
    Attempt(description: "chroot") { _ in chroot("/") == 0 ? 0 : 1 },
    Attempt(description: "executable memory") { _ in
      mmap(nil, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED
        ? 0 : 1
    },
    Attempt(description: "another user") { _ in setuid(65534) == 0 ? 0 : 1 },
  ]

  @Test("sec39_theDecoderIsKilledAtAnyOtherSystemCall")
  func systemCalls() async {
    await #expect(processExitsWith: .success) {
      recordingErrors {
        for attempt in ConfinementTests.forbidden {
          let end = try ConfinementTests.end(attempt.body)
          #expect(end == .signaled(SIGSYS), "\(attempt)")
          // Negative control: unconfined it works. (Mounting over the host's root is left out.)
          if attempt.description != "mount" {
            #expect(
              try ConfinementTests.end(confined: false, attempt.body) == .exited(0), "\(attempt)")
          }
        }
      }
    }
  }

  @Test("sec39_theDecoderSeesNothingButItsDirectory")
  func files() async {
    await #expect(processExitsWith: .success) {
      recordingErrors {
        let escape: (Int32) -> Int32 = { root in
          // Even through ".." of every directory it holds, by path and by descriptor.
          for path in ["/etc/passwd", "../../../../../../etc/passwd", "/proc/self/root/etc/passwd"]
          {
            if open(path, O_RDONLY) >= 0 { return 10 }
            if openat(root, path, O_RDONLY) >= 0 { return 11 }
          }
          for number in Int32(3)..<64 where number != root {
            if fcntl(number, F_GETFD) >= 0 { return 12 }
          }
          guard openat(root, "inside", O_CREAT | O_WRONLY, 0o600) >= 0 else { return 13 }
          return 0
        }
        let end1 = try ConfinementTests.end(escape)
        #expect(end1 == .exited(0))
        let end2 = try ConfinementTests.end(confined: false, escape)
        #expect(end2 == .exited(10))
      }
    }
  }

  @Test("sec22_theDecoderHasLimitsOfMemoryAndFileSize")
  func limits() async {
    await #expect(processExitsWith: .success) {
      recordingErrors {
        let memory: (Int32) -> Int32 = { _ in malloc(512 << 20) == nil ? 0 : 1 }
        let end3 = try ConfinementTests.end(memory)
        #expect(end3 == .exited(0))
        let end4 = try ConfinementTests.end(confined: false, memory)
        #expect(end4 == .exited(1))
        let file: (Int32) -> Int32 = { root in
          let fd = openat(root, "f", O_CREAT | O_WRONLY, 0o600)
          return pwrite(fd, "x", 1, 2 << 20) == 1 ? 1 : 0
        }
        let end5 = try ConfinementTests.end(file)
        #expect(end5 == .exited(0))
        let end6 = try ConfinementTests.end(confined: false, file)
        #expect(end6 == .exited(1))
      }
    }
  }

  /// Announcements that it never read must not cost the reason for which it stopped reading.
  @Test func aChildsReasonSurvivesTheResetOfItsConnection() async {
    await #expect(processExitsWith: .success) {
      recordingErrors {
        let ends = try MessageSocket.pair()
        let channel = ends.near
        let report = ends.far
        for _ in 0..<3 { try channel.send([1, 2, 3, 4, 5, 6, 7, 8]) }
        let number = report.descriptor.raw
        let child = try Processes.forkHelper { _ in
          UnpackChild.send(.failure(Failure(.refused, "unpack", "x", reason: "why")), to: number)
        }
        _ = consume report
        var status = siginfo_t()
        // Until it has ended, and its end of the connection with it; it stays to be reaped.
        waitid(P_PID, id_t(child.pid), &status, WEXITED | WNOWAIT)
        var failure: Failure?
        do throws(Failure) { _ = try LayerImport.outcome(of: child, channel) } catch {
          failure = error
        }
        #expect(failure?.reason == "why")
      }
    }
  }
}
