import Foundation

/// How many requests of each kind came, in all and in the fullest second of the clock.
///
/// A test of a client's rate limit reads the peak here.
struct RequestStatistics: Sendable {
    enum Kind: String, CaseIterable, Sendable {
        case submit
        case retrieve
        case batch = "retrieve_batch"
        case list
        /// Answered with a refusal of the request itself: path, token, body, moderation or a limit. A limit's refusal
        /// is counted under its own kind too; a fault's is not counted here.
        case refused
    }

    private struct Count: Sendable {
        var total = 0
        var peak = 0
        var second = Int.min
        var inSecond = 0

        mutating func add(second: Int) {
            if second != self.second { (self.second, inSecond) = (second, 0) }
            total += 1
            inSecond += 1
            peak = max(peak, inSecond)
        }
    }

    private var counts: [Kind: Count] = [:]

    mutating func count(_ kind: Kind, at now: Date) {
        counts[kind, default: Count()].add(second: Int(now.timeIntervalSince1970.rounded(.down)))
    }

    func total(_ kind: Kind) -> Int { counts[kind]?.total ?? 0 }

    /// `{"submit": {"total", "max_per_second"}, …}` with every kind.
    var document: JSONValue {
        .object(
            Kind.allCases.map { kind in
                let count = counts[kind] ?? Count()
                return .init(
                    name: kind.rawValue,
                    value: ["total": .integer(count.total), "max_per_second": .integer(count.peak)])
            })
    }
}
