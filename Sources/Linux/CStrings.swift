import Glibc

/// The text that a C library has allocated (malloc(3)) for its caller, which is freed.
public func takeCString(_ text: UnsafeMutablePointer<CChar>) -> String {
  defer { free(text) }
  return String(cString: text)
}
