import Foundation

/// Limits the requests per token within any one second.
struct RateGate: Sendable {
    private var recent: [String: [Date]] = [:]

    /// Whether one more request fits now. A rejected request does not count.
    mutating func admits(_ token: String, at now: Date, perSecond limit: Int?) -> Bool {
        guard let limit else { return true }
        var times = recent[token, default: []].filter { now.timeIntervalSince($0) < 1 }
        defer { recent[token] = times }
        guard times.count < limit else { return false }
        times.append(now)
        return true
    }
}
