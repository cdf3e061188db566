import Foundation

/// The bill: every task that the provider accepted, and whether anything was paid twice.
struct Ledger: Sendable {
    var entries: [LedgerEntry]
    /// The calls made for each task, by its id.
    var callbacks: [String: [CallbackRecord]] = [:]
    var submits: Int
    var polls: Int
    /// The moment as of which outcomes are told.
    var moment: Date

    /// Tasks of one identical request: same endpoint, same body apart from how its answer is to be delivered.
    struct Group: Sendable {
        var endpoint: String
        var request: JSONValue
        var taskIDs: [String] = []
    }

    /// The groups in the order of their first task.
    var groups: [Group] {
        var groups: [Group] = []
        var places: [String: Int] = [:]
        for entry in entries {
            let endpoint = entry.task.operation.endpoint
            // A retry has another callback token, yet it buys the same thing.
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

    /// The document that `GET /sandbox/ledger` serves.
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
