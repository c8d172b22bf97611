import Linux

/// What the columns of `top` count from.
struct TopClock {
  var now = Timestamp.now
  /// Nanoseconds since boot.
  var sinceBoot = Timestamp.sinceBoot
  var ticksPerSecond = SystemLimits.ticksPerSecond
  var pageSize = UInt64(SystemLimits.pageSize)
  /// Bytes.
  var memory = UInt64(SystemLimits.memory)
  var names = HostNames()

  /// Seconds since a process was started.
  func age(_ process: ProcessDetails) -> UInt64 {
    let started = process.startTicks / ticksPerSecond
    let now = sinceBoot / 1_000_000_000
    return now > started ? now - started : 0
  }

  /// When it was started.
  func start(_ process: ProcessDetails) -> Timestamp {
    Timestamp(nanoseconds: now.nanoseconds - Int64(age(process)) * 1_000_000_000)
  }

  /// Tenths of a percent of one processor over the process's whole life, as ps counts.
  func cpuTenths(_ process: ProcessDetails) -> UInt64 {
    let age = age(process)
    return age == 0 ? 0 : process.cpuTicks * 1000 / ticksPerSecond / age
  }
}

/// A column of `top`, by ps(1)'s keyword.
struct TopColumn {
  let heading: String
  let value: (ProcessDetails, TopClock) -> String

  /// The column of a keyword of `ps -o`; nil when it is not known here.
  static func named(_ keyword: String) -> TopColumn? {
    switch keyword {
    case "pid", "tgid": TopColumn(heading: "PID") { process, _ in String(process.pid) }
    case "ppid": TopColumn(heading: "PPID") { process, _ in String(process.parent) }
    case "pgid", "pgrp": TopColumn(heading: "PGID") { process, _ in String(process.group) }
    case "sid", "sess", "session":
      TopColumn(heading: "SID") { process, _ in String(process.session) }
    case "user", "euser", "uname":
      TopColumn(heading: "USER") { process, clock in clock.names.user(process.uid) }
    case "uid", "euid": TopColumn(heading: "UID") { process, _ in String(process.uid) }
    case "group", "egroup":
      TopColumn(heading: "GROUP") { process, clock in clock.names.group(process.gid) }
    case "gid", "egid": TopColumn(heading: "GID") { process, _ in String(process.gid) }
    case "comm", "ucmd", "ucomm":
      TopColumn(heading: "COMMAND") { process, _ in process.command }
    case "args", "command":
      TopColumn(heading: "COMMAND") { process, _ in process.commandLine }
    case "cmd": TopColumn(heading: "CMD") { process, _ in process.commandLine }
    case "ni", "nice": TopColumn(heading: "NI") { process, _ in String(process.nice) }
    case "pri": TopColumn(heading: "PRI") { process, _ in String(39 - process.priority) }
    case "nlwp", "thcount": TopColumn(heading: "NLWP") { process, _ in String(process.threads) }
    case "stat": TopColumn(heading: "STAT") { process, _ in process.stateCodes }
    case "s", "state": TopColumn(heading: "S") { process, _ in String(process.state) }
    case "tty", "tt": TopColumn(heading: "TT") { process, _ in process.terminalName }
    case "tname": TopColumn(heading: "TTY") { process, _ in process.terminalName }
    default: sizes(keyword) ?? times(keyword)
    }
  }

  private static func sizes(_ keyword: String) -> TopColumn? {
    switch keyword {
    case "rss", "rssize", "rsz":
      TopColumn(heading: "RSS") { process, clock in
        String(process.residentPages * clock.pageSize / 1024)
      }
    case "vsz", "vsize":
      TopColumn(heading: "VSZ") { process, _ in String(process.virtualSize / 1024) }
    case "sz":
      TopColumn(heading: "SZ") { process, clock in String(process.virtualSize / clock.pageSize) }
    case "pmem", "%mem":
      TopColumn(heading: "%MEM") { process, clock in
        let bytes = process.residentPages * clock.pageSize
        return tenths(clock.memory == 0 ? 0 : bytes * 1000 / clock.memory)
      }
    case "pcpu", "%cpu":
      TopColumn(heading: "%CPU") { process, clock in tenths(clock.cpuTenths(process)) }
    case "c":
      TopColumn(heading: "C") { process, clock in String(min(99, clock.cpuTenths(process) / 10)) }
    default: nil
    }
  }

  private static func times(_ keyword: String) -> TopColumn? {
    switch keyword {
    case "time", "cputime":
      TopColumn(heading: "TIME") { process, clock in
        duration(process.cpuTicks / clock.ticksPerSecond, withHours: true)
      }
    case "times", "cputimes":
      TopColumn(heading: "TIME") { process, clock in
        String(process.cpuTicks / clock.ticksPerSecond)
      }
    case "bsdtime":
      TopColumn(heading: "TIME") { process, clock in
        let seconds = process.cpuTicks / clock.ticksPerSecond
        return "\(seconds / 60):\(two(seconds % 60))"
      }
    case "etime":
      TopColumn(heading: "ELAPSED") { process, clock in
        duration(clock.age(process), withHours: false)
      }
    case "etimes": TopColumn(heading: "ELAPSED") { process, clock in String(clock.age(process)) }
    case "stime", "start_time":
      TopColumn(heading: "STIME") { process, clock in start(clock.start(process), clock.now) }
    case "start":
      TopColumn(heading: "STARTED") { process, clock in
        clock.age(process) < 86400
          ? time(LocalTime(clock.start(process))) : date(LocalTime(clock.start(process)))
      }
    case "bsdstart":
      TopColumn(heading: "START") { process, clock in start(clock.start(process), clock.now) }
    case "lstart":
      TopColumn(heading: "STARTED") { process, clock in
        let local = LocalTime(clock.start(process))
        return "\(days[local.weekday % 7]) \(date(local)) \(time(local)) \(local.year)"
      }
    default: nil
    }
  }

  // MARK: - Forms

  private static let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
  private static let months = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
  ]

  private static func two(_ number: some BinaryInteger) -> String {
    number < 10 ? "0\(number)" : "\(number)"
  }

  private static func tenths(_ value: UInt64) -> String { "\(value / 10).\(value % 10)" }

  private static func time(_ local: LocalTime) -> String {
    "\(two(local.hour)):\(two(local.minute)):\(two(local.second))"
  }

  private static func date(_ local: LocalTime) -> String {
    "\(months[(local.month + 11) % 12]) \(two(local.day))"
  }

  /// "14:07" of today, "Nov24" of this year, "2025" before.
  static func start(_ moment: Timestamp, _ now: Timestamp) -> String {
    let (local, today) = (LocalTime(moment), LocalTime(now))
    if local.year != today.year { return String(local.year) }
    if local.month == today.month && local.day == today.day {
      return "\(two(local.hour)):\(two(local.minute))"
    }
    return date(local).filter { $0 != " " }
  }

  /// "[days-]hours:minutes:seconds", the hours only where there are any unless they are wanted.
  static func duration(_ seconds: UInt64, withHours: Bool) -> String {
    let (days, hours) = (seconds / 86400, seconds / 3600 % 24)
    var text = "\(two(seconds / 60 % 60)):\(two(seconds % 60))"
    if withHours || hours > 0 || days > 0 { text = "\(two(hours)):\(text)" }
    return days > 0 ? "\(days)-\(text)" : text
  }
}
