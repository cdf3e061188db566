import Randomness
import TaskModel

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

extension SeededRandom {
    /// Draws from the normal distribution (G. E. P. Box, M. E. Muller, 1958).
    mutating func bell() -> Double {
        let radius = (-2 * log(1 - Double.random(in: 0..<1, using: &self))).squareRoot()
        return radius * cos(2 * Double.pi * Double.random(in: 0..<1, using: &self))
    }
}

func logarithm(_ x: Double) -> Double { log(x) }
func exponential(_ x: Double) -> Double { exp(x) }
/// The probability below `z`.
func bellBelow(_ z: Double) -> Double { 0.5 * erfc(-z * 0.5.squareRoot()) }
