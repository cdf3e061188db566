import TaskModel

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

// The functions of the C library that this module needs, so that only this file imports it.

func logarithm(_ x: Double) -> Double { log(x) }
func exponential(_ x: Double) -> Double { exp(x) }
/// `log(1 + x)`, exact for small `x`.
func logarithm(onePlus x: Double) -> Double { log1p(x) }
/// `exp(x) - 1`, exact for small `x`.
func exponentialMinusOne(_ x: Double) -> Double { expm1(x) }

/// The standard normal distribution.
enum NormalDistribution {
    /// The probability above `z`, exact far out in the tail too.
    static func above(_ z: Double) -> Double { 0.5 * erfc(z * 0.5.squareRoot()) }

    /// The quantile function.
    ///
    /// Starts from S. Winitzki's inverse of erf ("A handy approximation for the error function and its inverse", 2008),
    /// exact to two digits, and continues with Newton's method.
    static func quantile(_ share: Double) -> Double {
        let p = share.clamped(to: 1e-12...(1 - 1e-12))
        let x = 2 * p - 1
        let l = logarithm(4 * p * (1 - p))
        let a = 2 / (Double.pi * 0.147) + l / 2
        var z = (x < 0 ? -1.0 : 1.0) * (2 * ((a * a - l / 0.147).squareRoot() - a)).squareRoot()
        for _ in 0..<3 {
            let density = exponential(-z * z / 2) / (2 * Double.pi).squareRoot()
            z += (above(z) - (1 - p)) / density
        }
        return z
    }
}
