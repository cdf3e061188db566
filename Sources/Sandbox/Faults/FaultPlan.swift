/// Which faults strike, and when.
///
/// A plan is a value: with the same seed, the same plan strikes the same requests.
package struct FaultPlan: Sendable, Equatable {
    /// One kind of fault and the requests it strikes.
    struct Rule: Sendable, Equatable {
        var kind: FaultKind
        var occurrence: Occurrence
        /// The fault's span, in real time: a delay or a Retry-After.
        var span: Duration?
    }

    /// Which requests a rule strikes.
    enum Occurrence: Sendable, Equatable {
        /// Each request with this probability, from 0 to 1.
        case probability(Double)
        /// The requests with these numbers, counted from 1.
        case numbers(Set<Int>)
    }

    var rules: [Rule]

    /// Nothing goes wrong.
    package static let none = FaultPlan(rules: [])

    /// One fault that strikes one request.
    struct Strike: Sendable, Equatable {
        var kind: FaultKind
        var span: Duration
    }

    /// What strikes the submit with this number (from 1): at most one broken reply, and perhaps a late record.
    func strikes(submit number: Int, seed: UInt64) -> (reply: Strike?, lateRecord: Duration?) {
        let struck = strikes(.submit, number: number, seed: seed)
        return (
            struck.first { $0.kind != .lateRecord },
            struck.first { $0.kind == .lateRecord }?.span
        )
    }

    /// What strikes the tasks query with this number, counted from 1.
    func strike(poll number: Int, seed: UInt64) -> Strike? {
        strikes(.poll, number: number, seed: seed).first
    }

    /// What strikes the calls for the submit with this number, counted from 1.
    func strikes(callbacksOf number: Int, seed: UInt64) -> [Strike] { strikes(.callback, number: number, seed: seed) }

    private func strikes(_ target: FaultKind.Target, number: Int, seed: UInt64) -> [Strike] {
        rules.filter { $0.kind.target == target && $0.hits(number, seed: seed) }.map { rule in
            Strike(kind: rule.kind, span: rule.span ?? rule.kind.defaultSpan ?? .zero)
        }
    }
}

extension FaultPlan.Rule {
    fileprivate func hits(_ number: Int, seed: UInt64) -> Bool {
        switch occurrence {
        case .numbers(let numbers):
            return numbers.contains(number)
        case .probability(let probability):
            // A stream per kind: adding a rule does not move where the others strike.
            var random = SeededRandom(seed: seed, stream: "fault \(kind.rawValue)", number: number)
            return random.fraction() < probability
        }
    }
}
