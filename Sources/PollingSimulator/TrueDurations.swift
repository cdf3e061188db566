import PollingPolicy
import Randomness
import TaskModel

/// The true distribution of task durations: a mixture of log-normals. Only the optimum knows it.
package struct TrueDurations: Sendable {
    /// A log-normal with the given mean and coefficient of variation.
    struct Part: Sendable {
        let share: Double
        let middle: Double
        let spread: Double
        let succeeds: Bool

        init(share: Double = 1, mean: Double, cv: Double, succeeds: Bool = true) {
            let variance = logarithm(1 + cv * cv)
            self.share = share
            middle = logarithm(mean) - variance / 2
            spread = variance.squareRoot()
            self.succeeds = succeeds
        }
    }

    /// The name in the table.
    package let name: String
    let parts: [Part]

    init(name: String, parts: [Part]) {
        self.name = name
        self.parts = parts
    }

    /// A log-normal.
    package static func logNormal(mean: Double, cv: Double) -> Self {
        Self(name: "log-normal, cv \(cv)", parts: [Part(mean: mean, cv: cv)])
    }

    /// Nearly one in seven tasks fails within seconds.
    package static let fastFailures = Self(
        name: "15 % fail after 4 s",
        parts: [Part(share: 0.85, mean: 60, cv: 0.25), Part(share: 0.15, mean: 4, cv: 0.5, succeeds: false)])

    /// Two kinds of work behind one endpoint.
    package static let twoSorts = Self(
        name: "half 20 s, half 90 s", parts: [Part(share: 0.5, mean: 20, cv: 0.2), Part(share: 0.5, mean: 90, cv: 0.2)])

    /// The durations in the provider's documented examples, from a web extraction to a film, in seconds.
    package static let documentedExamples = [
        2.412, 9.271, 12.4, 29.437, 38.4, 40.065, 47.3, 81.9, 92.4, 100, 145, 154.28, 316.258, 317.07, 417, 787.271,
        1976.477,
    ]

    /// All of these behind one endpoint, each with a coefficient of variation of a tenth.
    package static let recorded = Self(
        name: "documented examples, mixed",
        parts: documentedExamples.map {
            Part(share: 1 / Double(documentedExamples.count), mean: $0, cv: 0.1)
        })

    /// The share of tasks that take at most `seconds`.
    func below(_ seconds: Double) -> Double {
        guard seconds > 0 else { return 0 }
        return parts.reduce(0) { $0 + $1.share * bellBelow((logarithm(seconds) - $1.middle) / $1.spread) }
    }

    var mean: Double { parts.reduce(0) { $0 + $1.share * exponential($1.middle + $1.spread * $1.spread / 2) } }

    /// The age by which all but one in ten million tasks have ended.
    var end: Double { parts.map { exponential($0.middle + 5.2 * $0.spread) }.max() ?? 0 }

    /// Draws one task.
    func draw(using chance: inout SeededRandom) -> (seconds: Double, succeeds: Bool) {
        var left = Double.random(in: 0..<1, using: &chance)
        let part = parts.first { part in
            left -= part.share
            return left < 0
        }
        guard let part = part ?? parts.last else { return (0, true) }
        return (exponential(part.middle + part.spread * chance.bell()), part.succeeds)
    }
}
