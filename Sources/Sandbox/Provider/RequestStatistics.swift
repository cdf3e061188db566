import Foundation

/// Counts requests by kind, in total and in the busiest second.
///
/// Tests of a client's rate limit read the peak here.
struct RequestStatistics: Sendable {
    enum Kind: String, CaseIterable, Sendable {
        case submit
        case retrieve
        case batch = "retrieve_batch"
        case list
        case download
        /// Rejected because of the request: path, token, body, moderation or a limit. A rejection by a limit also
        /// counts under its kind. Faults do not count here.
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

    /// `{"submit": {"total", "max_per_second"}, …}` for every kind.
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
