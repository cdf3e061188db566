/// Decides which requests get which faults.
///
/// The same plan with the same seed affects the same requests.
package struct FaultPlan: Sendable, Equatable {
    /// A fault kind and the requests that it affects.
    struct Rule: Sendable, Equatable {
        var kind: FaultKind
        var occurrence: Occurrence
        /// The real-time duration of the fault: a delay or a Retry-After.
        var span: Duration?
    }

    /// Selects the requests that a rule affects.
    enum Occurrence: Sendable, Equatable {
        /// Each request with this probability, from 0 to 1.
        case probability(Double)
        /// The requests with these numbers, counted from 1.
        case numbers(Set<Int>)
    }

    var rules: [Rule]

    /// A plan without faults.
    package static let none = FaultPlan(rules: [])

    /// One fault for one request.
    struct Fault: Sendable, Equatable {
        var kind: FaultKind
        var span: Duration
    }

    /// The faults of the submit with this number (from 1): at most one broken reply, and possibly a late record.
    func faults(submit number: Int, seed: UInt64) -> (reply: Fault?, lateRecord: Duration?) {
        let affected = faults(.submit, number: number, seed: seed)
        return (
            affected.first { !$0.kind.isAddition },
            affected.first { $0.kind == .lateRecord }?.span
        )
    }

    /// How long the URLs in a look-up of that submit's task are valid; nil if they do not expire.
    func resultLifetime(submit number: Int, seed: UInt64) -> Duration? {
        faults(.submit, number: number, seed: seed).first { $0.kind == .resultExpires }?.span
    }

    /// The fault of the download with this number (from 1), if any.
    func fault(download number: Int, seed: UInt64) -> Fault? {
        faults(.download, number: number, seed: seed).first
    }

    /// The fault of the tasks query with this number (from 1), if any.
    func fault(poll number: Int, seed: UInt64) -> Fault? {
        faults(.poll, number: number, seed: seed).first
    }

    /// The faults of the callbacks for the submit with this number (from 1).
    func faults(callbacksOf number: Int, seed: UInt64) -> [Fault] { faults(.callback, number: number, seed: seed) }

    private func faults(_ target: FaultKind.Target, number: Int, seed: UInt64) -> [Fault] {
        rules.filter { $0.kind.target == target && $0.hits(number, seed: seed) }.map { rule in
            Fault(kind: rule.kind, span: rule.span ?? rule.kind.defaultSpan ?? .zero)
        }
    }
}

extension FaultPlan.Rule {
    fileprivate func hits(_ number: Int, seed: UInt64) -> Bool {
        switch occurrence {
        case .numbers(let numbers):
            return numbers.contains(number)
        case .probability(let probability):
            // Each kind has its own stream, so adding a rule does not change the requests of the others.
            var random = SeededRandom(seed: seed, stream: "fault \(kind.rawValue)", number: number)
            return random.fraction() < probability
        }
    }
}
