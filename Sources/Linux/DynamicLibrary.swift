import Glibc

/// A shared library that is used where it is installed and done without elsewhere (dlopen(3)). It stays
/// loaded until the process ends.
public struct DynamicLibrary {
  private let handle: UnsafeMutableRawPointer

  /// Loads a library by its name with version ("libz.so.1"), as the system's loader finds it, with all its
  /// symbols bound, so that nothing needs to be mapped later; nil when it is not there.
  public init?(_ name: String) {
    guard let handle = dlopen(name, RTLD_NOW | RTLD_LOCAL) else { return nil }
    self.handle = handle
  }

  /// The address of a function or variable; nil when the library has none of this name. `Symbol` is the
  /// matching `@convention(c)` function type.
  public func symbol<Symbol>(_ name: String, as type: Symbol.Type) -> Symbol? {
    guard let address = dlsym(handle, name) else { return nil }
    return unsafeBitCast(address, to: type)
  }
}
