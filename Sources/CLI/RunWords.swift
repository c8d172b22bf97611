import Engine
import Linux
import Runtime

/// The words of `run`, taken in one pass.
///
/// ArgumentParser describes the flags (help, completions, mistakes), but reflecting over some fifty of
/// them costs more than the kernel needs for a container's namespaces, so a `run` that is spelled right
/// never gets there: ``RunCommand`` is asked only when a word here is unknown. A test holds the two to
/// the same flags.
struct RunWords {
  /// What the words ask for; `nil` when a word is not understood, or help is wanted.
  static func parse(
    _ words: [String], forCreation: Bool = false
  ) throws(Failure) -> RunOptions? {
    var draft = RunDraft()
    var rest = words[...]
    guard try FlagWords.take(from: &rest, into: &draft) else { return nil }
    guard let image = rest.popFirst() else { return nil }
    return try draft.finish(image: image, command: Array(rest), forCreation: forCreation)
  }
}
