import ProviderCatalog
import TaskStore

extension UpstreamRequest {
    /// Adds what a program sent besides the members of its request. Header fields of the dialect stay as they are.
    mutating func add(_ message: PassedMessage) {
        headers.merge(message.headers) { own, _ in own }
        if !message.query.isEmpty { path += (path.contains("?") ? "&" : "?") + message.query }
        guard let body = message.body else { return }
        self.body = body
        contentType = message.contentType
    }
}

extension SubmissionReply {
    /// The reply as it came; nil if it is too long to be kept beside the record.
    init?(_ reply: UpstreamReply) {
        guard reply.body.count <= Self.maxBytes else { return nil }
        self.init(
            status: reply.status, contentType: reply.headers["content-type"] ?? "application/json", body: reply.body)
    }
}
