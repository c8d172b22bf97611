import Glibc

/// Shell patterns (fnmatch(3)).
public enum PatternMatch {
  /// Whether the whole text matches a pattern of `*`, `?` and `[...]`; a slash is matched literally.
  public static func matches(_ pattern: String, _ text: String) -> Bool {
    fnmatch(pattern, text, FNM_PATHNAME) == 0
  }
}
