import Foundation
import Randomness
import TaskTesting

/// Random durations of tasks.
enum Durations {
    /// A log-normal distribution with that median and coefficient of variation.
    static func logNormal(_ median: Double, _ variation: Double) -> @Sendable (inout SeededRandom) -> Double {
        let sigma = log(1 + variation * variation).squareRoot()
        return { random in
            // Box and Muller, "A note on the generation of random normal deviates", 1958.
            let radius = (-2 * log(Double.random(in: 1e-12...1, using: &random))).squareRoot()
            return median * exp(sigma * radius * cos(2 * .pi * Double.random(in: 0..<1, using: &random)))
        }
    }
}
