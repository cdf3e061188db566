package import TaskModel
package import VerbatimJSON

/// One task of the provider's own list, with the request that it echoes.
package struct ListedTask: Sendable, Hashable {
    package let remoteID: RemoteTaskID
    package let traceID: String?
    /// The creation time by the provider's clock.
    package let createdAt: Timestamp?
    /// The provider's word for the operation (`imagine`, `videos`), if it gives one.
    package let type: String?
    /// The body as the provider received it, with defaults filled in; null if it is not echoed.
    package let request: JSONValue
    /// The numbers of the record that the reader asked for, by their places.
    package var figures: [JSONPointer: JSONValue] = [:]

    package init(
        remoteID: RemoteTaskID, traceID: String? = nil, createdAt: Timestamp? = nil, type: String? = nil,
        request: JSONValue
    ) {
        self.remoteID = remoteID
        self.traceID = traceID
        self.createdAt = createdAt
        self.type = type
        self.request = request
    }
}
