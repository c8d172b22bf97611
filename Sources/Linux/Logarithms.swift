import Glibc

/// log2(3), for the conversions that kernel documents define with it.
public func binaryLogarithm(_ value: Double) -> Double { Glibc.log2(value) }

/// exp10(3): ten to the power of `exponent`.
public func powerOfTen(_ exponent: Double) -> Double { Glibc.pow(10, exponent) }
