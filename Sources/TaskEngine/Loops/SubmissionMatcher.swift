import ProviderCatalog
import TaskModel
import TaskStore
import VerbatimJSON

/// Finds lost submissions in the provider's own list, by the request that each record echoes.
///
/// Pure. A callback token that comes back is proof. Where none went out, every field that was sent must come back equal;
/// fields that the provider added do not count against a record.
/// Equal requests are matched as a multiset: each record serves one task at most, and as many tasks are served as can
/// be, since a task that goes without counts as never taken. A record that may belong to a task that is being sent at
/// this moment serves nobody until that task's reply is known; one that fits lost tasks of two endpoints, or that echoes
/// no request, serves nobody at all. While such a record could be a task's own, that task is not called absent; nor is it
/// while a record fits in all but its time, since clocks are set and machines sleep.
struct SubmissionMatcher {
    /// What is known of one task that looks for its record.
    struct Lost {
        let id: TaskID
        let endpoint: EndpointName
        /// The body as it was sent, so far as it is the program's.
        let request: JSONObject
        /// The provider's word for the endpoint's records, if it has one.
        let recordType: String?
        /// When the paid request can have reached the provider, by our clock.
        var window: ClosedRange<Timestamp>
        /// What else was sent: a callback URL of ours, which no other request has.
        var callback: Callback?
        /// The id that it was sent with, and the member that held it.
        var ownID: (member: String, id: RemoteTaskID)?

        /// Whether all that was sent comes back in the echo.
        ///
        /// Whether `async` is echoed is not documented, and it says nothing about what was asked for.
        func isEchoed(by echo: JSONObject) -> Bool {
            var sent = request
            sent["async"] = nil
            return sent.isCovered(by: echo)
        }
    }

    /// The mark of one attempt in the request that the provider echoes.
    struct Callback {
        /// Where the callback URL stands in it.
        let member: String
        let digest: CallbackDigest
    }

    /// What became of a search.
    enum Finding: Equatable {
        case found(RemoteTaskID, traceID: String?)
        /// A record fits, but may belong to a task that is being sent or to one of another endpoint, does not say what was
        /// asked for, or is from another time.
        case undecided
        case absent
    }

    /// Says for every lost task what the list shows.
    static func search(for lost: [Lost], among listed: [ListedTask], sending: [Lost]) -> [TaskID: Finding] {
        // The record with the fewest fields that nobody sent is the likeliest, then the oldest.
        let records =
            listed.map { (record: $0, surplus: $0.request.object?.members.count ?? 0) }
            .sorted { left, right in
                (left.surplus, left.record.createdAt ?? .distantPast) < (
                    right.surplus, right.record.createdAt ?? .distantPast
                )
            }
            .map(\.record)
        let disputed = Set(records.indices.filter { isDisputed(records[$0], lost: lost, sending: sending) })
        // Who sent more fields is served first: its records are the rarer ones.
        let tasks = lost.sorted(by: isMoreDemanding)
        let fitting = tasks.map { task in records.indices.filter { fits(records[$0], task) } }
        let wishes = fitting.map { indices in indices.filter { !disputed.contains($0) } }
        let served = largestMatching(wishes)
        var findings: [TaskID: Finding] = [:]
        for (number, task) in tasks.enumerated() {
            if let record = served[number].map({ records[$0] }) {
                findings[task.id] = .found(record.remoteID, traceID: record.traceID)
            } else {
                let isUndecided =
                    fitting[number].contains(where: disputed.contains)
                    || records.contains { isSilent($0, task) || isOutOfTime($0, task) }
                findings[task.id] = isUndecided ? .undecided : .absent
            }
        }
        return findings
    }

    /// Serves as many as can be, each with one of its wishes: augmenting paths (Berge 1957), earlier ones first.
    ///
    /// Taking the best free record in turn would not do: of two equal requests the one with the longer window could take
    /// the only record in the other's.
    private static func largestMatching(_ wishes: [[Int]]) -> [Int?] {
        var served: [Int?] = wishes.map { _ in nil }
        var owners: [Int: Int] = [:]
        // Records from which no path leads to a free one will never be free again.
        var spent: Set<Int> = []
        for start in wishes.indices {
            var wanted: [Int: Int] = [:]
            var asking = [start]
            var free: Int?
            var next = 0
            while free == nil, next < asking.count {
                let task = asking[next]
                next += 1
                for record in wishes[task] where wanted[record] == nil && !spent.contains(record) {
                    wanted[record] = task
                    guard let owner = owners[record] else {
                        free = record
                        break
                    }
                    asking.append(owner)
                }
            }
            if free == nil { spent.formUnion(wanted.keys) }
            while let record = free, let task = wanted[record] {
                free = served[task]
                served[task] = record
                owners[record] = task
            }
        }
        return served
    }

    private static func isDisputed(_ record: ListedTask, lost: [Lost], sending: [Lost]) -> Bool {
        sending.contains { fits(record, $0) } || Set(lost.filter { fits(record, $0) }.map(\.endpoint)).count > 1
    }

    private static func isMoreDemanding(_ left: Lost, _ right: Lost) -> Bool {
        let counts = (left.request.members.count, right.request.members.count)
        return counts.0 != counts.1
            ? counts.0 > counts.1 : (left.window.lowerBound, left.id) < (right.window.lowerBound, right.id)
    }

    private static func fits(_ record: ListedTask, _ task: Lost) -> Bool {
        guard let echo = record.request.object else { return false }
        if let callback = task.callback {
            guard let url = echo[callback.member]?.string, CallbackToken.digest(inURL: url) == callback.digest else {
                return false
            }
            // Nobody else was ever given that URL, whatever time the provider's clock shows.
            return isOfType(record, task)
        }
        // What was sent under an id has that id, in its echo or as its own.
        if let ownID = task.ownID, !names(record, ownID) { return false }
        return isFromThen(record, task) && task.isEchoed(by: echo)
    }

    /// Whether the record is the task's but for its time, which a clock that was set or a machine that slept may explain.
    private static func isOutOfTime(_ record: ListedTask, _ task: Lost) -> Bool {
        guard let createdAt = record.createdAt, !task.window.contains(createdAt) else { return false }
        var undated = task
        undated.window = createdAt...createdAt
        if let callback = task.callback {
            // One that says where to call back is known by that, whatever its time.
            guard record.request.object?[callback.member].map(\.isNull) ?? true else { return false }
            undated.callback = nil
        }
        return fits(record, undated)
    }

    /// Whether the record could be the task's, but does not say what was asked for, or not where to call back.
    private static func isSilent(_ record: ListedTask, _ task: Lost) -> Bool {
        guard isFromThen(record, task) else { return false }
        guard let echo = record.request.object, !echo.isEmpty else { return true }
        if let ownID = task.ownID, !names(record, ownID) {
            return echo[ownID.member]?.string == nil && task.isEchoed(by: echo)
        }
        guard let callback = task.callback, echo[callback.member].map(\.isNull) ?? true else { return false }
        return task.isEchoed(by: echo)
    }

    /// Whether the record echoes the id or goes by it; however it writes UUIDs.
    private static func names(_ record: ListedTask, _ ownID: (member: String, id: RemoteTaskID)) -> Bool {
        func plain(_ text: String) -> String { text.lowercased().filter { $0 != "-" } }
        let told = record.request.object?[ownID.member]?.string ?? record.remoteID.text
        return plain(told) == plain(ownID.id.text)
    }

    private static func isFromThen(_ record: ListedTask, _ task: Lost) -> Bool {
        if let createdAt = record.createdAt, !task.window.contains(createdAt) { return false }
        return isOfType(record, task)
    }

    private static func isOfType(_ record: ListedTask, _ task: Lost) -> Bool {
        if let expected = task.recordType, let type = record.type, type != expected { return false }
        return true
    }
}

extension Timestamp {
    fileprivate static var distantPast: Timestamp { Timestamp(milliseconds: .min) }
}
