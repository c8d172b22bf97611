import Linux

/// What a call throws; nil when it succeeds.
func thrownBy(_ body: () throws(Failure) -> Void) -> Failure? {
  do throws(Failure) {
    try body()
    return nil
  } catch { return error }
}
