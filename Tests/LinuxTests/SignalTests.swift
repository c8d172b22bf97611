import Glibc
import Linux
import Testing

@Suite struct SignalTests {
  @Test(arguments: [
    ("TERM", 15), ("SIGTERM", 15), ("sigterm", 15), ("term", 15), ("15", 15), ("KILL", 9),
    ("HUP", 1),
    ("USR2", 12), ("WINCH", 28), ("SYS", 31), ("IOT", 6), ("POLL", 29), ("CLD", 17), ("64", 64),
    ("RTMIN", 34), ("SIGRTMIN+3", 37), ("RTMIN+30", 64), ("RTMAX", 64), ("RTMAX-14", 50),
    ("RTMAX-30", 34), ("rtmin+1", 35),
  ])
  func `a signal is known by each of its names`(text: String, number: Int32) {
    #expect(Signals.number(text) == number)
  }

  @Test(arguments: [
    "", "0", "65", "-1", "-15", "TERMM", "SIG", "SIGSIGTERM", "SIG15", " TERM", "TERM ", "1.5",
    "RTMIN-1", "RTMAX+1", "RTMIN+31", "RTMAX-31", "RTMIN+", "RTMIN3", "RTMIN++3",
    "RTMIN+2147483647", "RTMAX-2147483648", "99999999999999999999",
  ])
  func `anything else is no signal`(text: String) {
    #expect(Signals.number(text) == nil)
  }

  @Test func `the numbers are the kernel's`() {
    for (name, number) in [
      ("INT", SIGINT), ("CHLD", SIGCHLD), ("STOP", SIGSTOP), ("PWR", SIGPWR), ("STKFLT", SIGSTKFLT),
    ] {
      #expect(Signals.number(name) == number)
    }
    for number in 1...31 {
      #expect(Signals.number(Signals.name(Int32(number))) == Int32(number))
    }
    #expect(Signals.name(15) == "SIGTERM")
    #expect(Signals.name(40) == "signal 40")
    #expect(Signals.name(0) == "signal 0")
  }
}
