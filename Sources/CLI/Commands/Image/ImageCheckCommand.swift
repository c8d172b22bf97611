import ArgumentParser
import Engine
import Image
import Linux

struct ImageCheckCommand: Command {
  static let configuration = CommandConfiguration(
    commandName: "check", _superCommandName: "minidock image",
    abstract: "Look whether every image is whole, and mend what is not.",
    discussion: """
      Example:
        minidock image check
        minidock image check --repair

      Every blob is hashed, and every layer unpacked once more beside the store and compared with what \
      containers see: names, owners, modes, times, attributes, links and content. --quick leaves the \
      comparison out. --repair unpacks damaged trees again, fetches damaged blobs from where the image \
      came from, and removes what no image needs. The exit status is 1 when something is wrong and stays \
      wrong.
      """)

  @Flag(help: "Mend what can be mended.") var repair = false
  @Flag(help: "Only hash blobs, do not compare trees.") var quick = false
  @Flag(name: [.customShort("q"), .long], help: "Show no progress.") var quiet = false

  func execute(_ context: Context) throws(Failure) -> Int32 {
    let installation = try context.installation()
    context.sweep(installation)
    var check = try ImageCheck(installation).check()
    check.repairs = repair
    check.isQuick = quick
    let line = LoadProgressLine(isQuiet: quiet, verb: "checking")
    check.progress = { layer, layers, bytes in
      var progress = LoadProgress()
      (progress.layer, progress.layers, progress.bytes) = (layer, layers, bytes)
      line.update(progress)
    }
    let findings = try check.run()
    line.clear()
    var isBad = false
    for finding in findings {
      var text = "\(finding.object): \(finding.problem)"
      if !finding.images.isEmpty { text += " (\(finding.images.joined(separator: ", ")))" }
      if let done = finding.repair { text += ": \(done)" } else { isBad = true }
      Console.print(text.printable)
    }
    if findings.isEmpty { Console.print("no problems found") }
    return isBad ? 1 : 0
  }
}
