import ProviderCatalog
import Randomness
import Synchronization
import TaskModel
import TaskTesting
import VerbatimJSON

/// A provider with simulated tasks, planned faults and a call limit.
///
/// It uses elapsed time, so clock changes do not affect it.
final class SimulatedUpstream: Sendable {
    /// The outcome of a call.
    enum Fate: Sendable, Equatable {
        case answered
        case status(Int)
        case hangs(Duration)
        case unreachable
        case throttled(retryAfter: Duration?)
    }

    /// A received call.
    struct Call: Sendable {
        let at: Duration
        let isPaid: Bool
        let ids: [String]
        let fate: Fate
    }

    private struct Job {
        let created: Duration
        let ends: Duration
    }

    private struct State {
        var jobs: [String: Job] = [:]
        var calls: [Call] = []
        var random: SeededRandom
        var hanging: [(end: Duration, continuation: CheckedContinuation<Void, Never>)] = []
        var onHang: @Sendable () -> Void = {}
    }

    let time: ManualTimeSource
    private let limitPerSecond: Int?
    private let seconds: @Sendable (inout SeededRandom) -> Double
    private let fate: @Sendable (_ query: Int, _ at: Duration) -> Fate
    private let state: Mutex<State>

    init(
        time: ManualTimeSource, seed: UInt64 = 1, limitPerSecond: Int? = nil,
        taking seconds: @escaping @Sendable (inout SeededRandom) -> Double,
        fate: @escaping @Sendable (_ query: Int, _ at: Duration) -> Fate = { _, _ in .answered }
    ) {
        self.time = time
        self.limitPerSecond = limitPerSecond
        self.seconds = seconds
        self.fate = fate
        state = Mutex(State(random: SeededRandom(seed: seed)))
    }

    var calls: [Call] { state.withLock { $0.calls } }
    var queries: [Call] { calls.filter { !$0.isPaid } }
    var throttled: Int {
        calls.count { if case .throttled = $0.fate { true } else { false } }
    }

    /// The largest number of calls in any second.
    var mostPerSecond: Int {
        let times = calls.map(\.at)
        var first = 0
        return times.indices.reduce(0) { most, last in
            while times[last] - times[first] >= .seconds(1) { first += 1 }
            return max(most, last - first + 1)
        }
    }

    /// The elapsed time at which a task ends.
    func end(of id: String) -> Duration? { state.withLock { $0.jobs[id]?.ends } }

    /// Creates a task and returns its id.
    private func begin() -> String {
        state.withLock { state in
            let id = "job-\(state.jobs.count + 1)"
            let now = time.elapsed()
            state.jobs[id] = Job(created: now, ends: now + .seconds(rounding: seconds(&state.random)))
            return id
        }
    }

    /// Sets a function that is called when a call starts to hang.
    func onHang(_ body: @escaping @Sendable () -> Void) { state.withLock { $0.onHang = body } }

    /// The earliest end of a hanging call.
    var nextHangEnd: Duration? { state.withLock { $0.hanging.map(\.end).min() } }

    /// Ends the calls that hang until then. Calls `released` with their number first.
    func release(until point: Duration, _ released: (Int) -> Void) {
        let over = state.withLock { state in
            let over = state.hanging.filter { $0.end <= point }
            state.hanging.removeAll { $0.end <= point }
            return over
        }
        released(over.count)
        for hang in over { hang.continuation.resume() }
    }

    func answer(_ sent: SentRequest) async throws(UpstreamTransportError) -> UpstreamReply {
        let fate = arrive(sent)
        switch fate {
        case .answered: return reply(to: sent)
        case .status(let status): return .text("<html>", status: status)
        case .unreachable: throw .notSent("no route")
        case .throttled(let retryAfter): return .error("rate_limited", status: 429, retryAfter: retryAfter)
        case .hangs(let duration):
            await withCheckedContinuation { continuation in
                state.withLock { state in
                    state.hanging.append((time.elapsed() + duration, continuation))
                    return state.onHang
                }()
            }
            throw .interrupted("no reply in time")
        }
    }

    private func arrive(_ sent: SentRequest) -> Fate {
        state.withLock { state in
            let now = time.elapsed()
            var fate = fate(state.calls.count { !$0.isPaid } + 1, now)
            if sent.isPaid, fate != .unreachable { fate = .answered }
            let recent = state.calls.reversed().prefix { now - $0.at < .seconds(1) }.count
            if let limitPerSecond, recent >= limitPerSecond { fate = .throttled(retryAfter: .seconds(1)) }
            let ids = sent.ids.isEmpty ? [sent.body["id"]?.string].compactMap(\.self) : sent.ids
            state.calls.append(Call(at: now, isPaid: sent.isPaid, ids: ids, fate: fate))
            return fate
        }
    }

    private func reply(to sent: SentRequest) -> UpstreamReply {
        if sent.isPaid {
            return .accepted(begin())
        }
        if sent.isListing { return .items([]) }
        if sent.action == "retrieve" { return .json(record(of: sent.body["id"]?.string ?? "") ?? [:]) }
        return .items(sent.ids.compactMap(record))
    }

    private func record(of id: String) -> JSONValue? {
        let now = time.elapsed()
        guard let job = state.withLock({ $0.jobs[id] }) else { return nil }
        var record = JSONObject([("id", .string(id)), ("created_at", Self.unix(job.created))])
        if now >= job.ends {
            record["finished_at"] = Self.unix(job.ends)
            record["response"] = ["success": true, "data": [["image_url": "https://cdn.example/1.png"]]]
        }
        return .object(record)
    }

    private static func unix(_ elapsed: Duration) -> JSONValue {
        JSONNumber((ManualTimeSource.start + elapsed).unixSeconds).map { .number($0) } ?? .null
    }
}
