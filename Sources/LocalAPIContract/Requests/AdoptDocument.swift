package import VerbatimJSON

/// What a program sends to have a task tracked that was submitted elsewhere.
package struct AdoptDocument: Sendable, Hashable {
    /// `service/operation`.
    package var endpoint: String
    /// The provider's id for it.
    package var remoteID: String
    package var labels: [String: String]
    /// −1000 to 1000; higher goes first; none means 0.
    package var priority: Int?
    /// RFC 3339, or a span such as `+2h`; the reader of the document validates it.
    package var deadline: String?

    package init(
        endpoint: String, remoteID: String, labels: [String: String] = [:], priority: Int? = nil,
        deadline: String? = nil
    ) {
        self.endpoint = endpoint
        self.remoteID = remoteID
        self.labels = labels
        self.priority = priority
        self.deadline = deadline
    }

    /// Reads the document and refuses fields that it does not know.
    package init(json: JSONValue) throws(ContractError) {
        let reader = try DocumentReader(json, knowing: Self.fields)
        endpoint = try reader.word("endpoint")
        remoteID = try reader.word("remote_id")
        labels = try reader.labels()
        priority = try reader.priority()
        deadline = try reader.string("deadline")
    }

    /// The document without the fields that say nothing.
    package var json: JSONValue {
        var object = JSONObject([("endpoint", .string(endpoint)), ("remote_id", .string(remoteID))])
        if !labels.isEmpty { object["labels"] = JSONValue(labels) }
        object["priority"] = priority.map { .number(JSONNumber($0)) }
        object["deadline"] = deadline.map(JSONValue.string)
        return .object(object)
    }

    private static let fields = ["endpoint", "remote_id", "labels", "priority", "deadline"]
}
