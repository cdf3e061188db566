import Foundation

/// All tasks that the provider accepted, and which of them were paid twice.
struct Ledger: Sendable {
    var entries: [LedgerEntry]
    /// The callbacks sent for each task, by its id.
    var callbacks: [String: [CallbackRecord]] = [:]
    var submits: Int
    var polls: Int
    /// The time of the snapshot.
    var moment: Date

    /// Tasks of identical requests: same endpoint and same body, ignoring delivery options.
    struct Group: Sendable {
        var endpoint: String
        var request: JSONValue
        var taskIDs: [String] = []
    }

    /// The groups, ordered by their first task.
    var groups: [Group] {
        var groups: [Group] = []
        var places: [String: Int] = [:]
        for entry in entries {
            let endpoint = entry.task.operation.endpoint
            // A retry has a different callback token but buys the same result.
            let request = entry.task.request.without(["callback_url", "async"]).canonical
            let key = endpoint + request.text
            let place = places[key, default: groups.count]
            if place == groups.count {
                places[key] = place
                groups.append(Group(endpoint: endpoint, request: request))
            }
            groups[place].taskIDs.append(entry.task.identity.taskID)
        }
        return groups
    }

    /// The document of `GET /sandbox/ledger`.
    var document: JSONValue {
        let groups = groups
        let doubled = groups.filter { $0.taskIDs.count > 1 }
        return [
            "billed": .integer(entries.count),
            "distinct_requests": .integer(groups.count),
            "max_billed_per_request": .integer(groups.map(\.taskIDs.count).max() ?? 0),
            "submits_received": .integer(submits),
            "polls_received": .integer(polls),
            "double_billed": .array(doubled.map(Self.document)),
            "by_request": .array(groups.map(Self.document)),
            "entries": .array(entries.map(document)),
        ]
    }

    private static func document(of group: Group) -> JSONValue {
        [
            "endpoint": .string(group.endpoint),
            "request": group.request,
            "count": .integer(group.taskIDs.count),
            "task_ids": .strings(group.taskIDs),
        ]
    }

    private func document(of entry: LedgerEntry) -> JSONValue {
        [
            "task_id": .string(entry.task.identity.taskID),
            "service": .string(entry.task.operation.service),
            "operation": .string(entry.task.operation.name),
            "sequence": .integer(entry.task.sequence),
            "created_at": .unixSeconds(entry.task.createdAt),
            "request": entry.task.request,
            "reply": .string(entry.reply.rawValue),
            "outcome": .string(entry.task.outcome(at: moment).rawValue),
            "callbacks": .array((callbacks[entry.task.identity.taskID] ?? []).map(\.document)),
        ]
    }
}
