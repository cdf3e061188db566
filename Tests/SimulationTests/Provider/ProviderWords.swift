import FoundationEssentials
import ProviderCatalog
import TaskModel
import TaskTesting
import VerbatimJSON

/// Formats the provider's correct replies, in the general shape of its documents.
struct ProviderWords {
    let truth: ProviderTruth
    let now: Timestamp
    var habit = EchoHabit.verbatim

    /// The provider's name.
    static let provider: ProviderName = "simulated"
    /// The provider's endpoints: one with a cap, one with a rate, two that share records, one without a list, and one that
    /// replies inline. A further one takes a client id; histories with several accounts use it.
    static let definition = """
        provider: simulated
        default: true
        base_url: http://127.0.0.1:1/v1
        max_requests_per_second: 2
        codes:
          refused_stops_account: [used_up, invalid_token]
          throttled: [rate_limited, busy]
          unknown_task: [no_task]
          outcome_unknown: [timeout]
          server_fault: [api_error]
        services:
          image:
            batch_size: 50
            listing: documented
            max_in_flight: 2
            endpoints:
              make: {typical_seconds: 40, upper_seconds: 90}
              edit: {typical_seconds: 40, upper_seconds: 90}
          song:
            batch_size: 3
            listing: documented
            submits_per_second: 0.5
            endpoints:
              audios: {typical_seconds: 60, upper_seconds: 120}
          lone:
            listing: none
            endpoints:
              make: {typical_seconds: 20, upper_seconds: 40}
          mine:
            batch_size: 50
            listing: none
            endpoints:
              make: {own_id: task_id, typical_seconds: 20, upper_seconds: 40}
          words:
            batch_size: 50
            listing: documented
            endpoints:
              lyrics: {submission_timeout_seconds: 120}
        """
    /// The definition without the service `song`.
    static func withoutSong(_ definition: String) -> String {
        definition.replacing(#/  song:\n(    .*\n)+/#, with: "")
    }
    /// The services whose failed tasks cost nothing.
    static let freeFailures: Set<String> = ["song", "mine"]
    /// The definition with prices. Inline tasks have none, since no record tells what they cost.
    static let pricedDefinition = [
        ("      make: {typical_seconds: 40,", "price: {unit: USD, fixed: 1}"),
        ("      edit: {typical_seconds: 40,", "price: {unit: USD, per: /n, each: 0.5, default: 1}"),
        ("      audios: {typical_seconds: 60,", "price: {unit: USD, fixed: 2.5, failures: free}"),
        ("      make: {typical_seconds: 20,", "price: {unit: USD, table: [{when: {/n: 2}, fixed: 2}, {fixed: 1}]}"),
        ("      make: {own_id: task_id,", "price: {unit: USD, fixed: 1, failures: free}"),
        ("      lyrics: {", "price: {unit: USD, from_record: /cost}"),
    ].reduce(definition) { text, price in
        text.replacing(price.0, with: price.0.replacing("{", with: "{" + price.1 + ", "))
    }
    /// The limits of the definition that the checks enforce.
    static let inFlightCaps = ["image": 2]
    static let submissionGaps: [String: Int64] = ["song": 2_000]
    static let pollsPerSecond: Int64 = 2
    static let endpoints = ["image/make", "image/edit", "song/audios", "lone/make", "words/lyrics"]
    static let unlisted: Set<String> = ["lone", "mine"]

    /// The current record of a task.
    func record(_ record: ProviderTruth.Record) -> JSONValue {
        var members: [(String, JSONValue)] = [
            ("id", .string(record.id)), ("request", .object(echo(of: record))), ("trace_id", .string("t-\(record.id)")),
            ("created_at", time(record.createdAt)),
        ]
        if record.isFinished(at: now) {
            members.append(("finished_at", time(record.finishesAt)))
            members.append(("response", response(of: record)))
        }
        return .object(JSONObject(members))
    }

    /// The result or the failure.
    func response(of record: ProviderTruth.Record) -> JSONValue {
        switch record.ending {
        case .succeeded:
            [
                "success": true, "task_id": .string(record.id), "trace_id": .string("t-\(record.id)"),
                "data": .array([.object(JSONObject(item(of: record)))]),
            ]
        case .failed:
            [
                "success": false, "task_id": .string(record.id), "trace_id": .string("t-\(record.id)"),
                "error": ["code": "forbidden", "message": "Moderation."],
            ]
        }
    }

    private func item(of record: ProviderTruth.Record) -> [(String, JSONValue)] {
        let url = ("image_url", JSONValue.string("https://cdn.example/\(record.id).png"))
        return truth.hasContent ? [url, ("b64_json", .string(Self.content(of: record.id)))] : [url]
    }

    /// Values that are longer are kept in files.
    static let longestInRecord = 64

    /// A long value of a record, in base64. Several tasks have the same one.
    static func content(of id: String) -> String {
        let kind = UInt8(id.utf8.reduce(0) { ($0 + Int($1)) % 3 })
        return Data([UInt8](repeating: kind, count: 60)).base64EncodedString()
    }

    /// A page of the user's list.
    func list(
        service: String, user: Int, at address: String?, query: JSONObject, pageCap: Int, ignoresOffset: Bool
    ) -> (page: [JSONValue], isAll: Bool) {
        let from = query["created_at_min"]?.number?.double ?? 0
        let to = query["created_at_max"]?.number?.double ?? .infinity
        let shown = truth.records.filter {
            $0.service == service && $0.user == user && ($0.address ?? address) == address && $0.isListed(at: now)
                && $0.createdAt.unixSeconds >= from
                && $0.createdAt.unixSeconds <= to && !(habit == .hidesEdits && $0.operation == "edit")
        }
        let limit = min(Int(query["limit"]?.number?.double ?? 12), habit == .pagesInTens ? 10 : pageCap)
        let offset = ignoresOffset ? 0 : Int(query["offset"]?.number?.double ?? 0)
        let page = Array(shown.dropFirst(offset).prefix(limit))
        return (page.map(record), offset + page.count >= shown.count)
    }

    /// The request with a default value added.
    private func echo(of record: ProviderTruth.Record) -> JSONObject {
        var echo = habit.echo(record.request)
        echo["model"] = "v1"
        return echo
    }

    private func time(_ point: Timestamp) -> JSONValue {
        JSONNumber(point.unixSeconds).map { .number($0) } ?? .null
    }
}
