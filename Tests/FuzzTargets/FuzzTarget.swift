import LocalAPIContract
import ProviderCatalog
import TaskModel
import Text
import VerbatimJSON

/// A parser of untrusted bytes with its invariants. A broken invariant ends the process.
///
/// Tests run each target on a stored corpus and on seeded mutations. `scripts/run-fuzzer.sh` runs it with libFuzzer.
package enum FuzzTarget: String, CaseIterable, Sendable {
    /// JSON, read strictly and leniently.
    case json
    /// Documents that programs send to the socket.
    case socketDocument = "socket-document"
    /// Provider replies, for any endpoint.
    case providerReply = "provider-reply"
    /// Callback bodies, for any endpoint.
    case callbackBody = "callback-body"
    /// A provider definition in YAML.
    case definition
    /// Cursors, ids, times, pointers and names in queries and paths.
    case text

    /// Reads the bytes and checks the invariants.
    package func run(_ bytes: [UInt8]) {
        switch self {
        case .json: Self.readJSON(bytes)
        case .socketDocument: Self.readSocketDocument(bytes)
        case .providerReply: Self.readProviderReply(bytes)
        case .callbackBody: Self.readCallback(bytes)
        case .definition: Self.readDefinition(bytes)
        case .text: Self.readText(String(decoding: bytes, as: UTF8.self))
        }
    }

    /// Checks that strictly readable JSON is also leniently readable, and is written unchanged.
    private static func readJSON(_ bytes: [UInt8]) {
        let strict = try? JSONValue(parsing: bytes)
        let lenient = try? JSONValue(parsing: bytes, limits: .lenient)
        if let strict {
            precondition(lenient == strict, "Strict and lenient reading disagree.")
            precondition((try? JSONValue(parsing: strict.text)) == strict, "Written JSON reads differently.")
        }
        if let lenient {
            precondition(
                (try? JSONValue(parsing: lenient.text, limits: .lenient)) == lenient, "Written JSON reads differently.")
        }
    }

    /// Checks that an accepted document is written such that it is read unchanged.
    private static func readSocketDocument(_ bytes: [UInt8]) {
        guard let json = try? JSONValue(parsing: bytes) else { return }
        if let document = try? SubmitDocument(json: json) {
            precondition((try? SubmitDocument(json: document.json)) == document, "A submission reads differently.")
        }
        _ = try? AdoptDocument(json: json)
        _ = try? ResolveDocument(json: json)
    }

    /// The first byte selects the endpoint, the second the HTTP status. The rest is the body.
    private static func readProviderReply(_ bytes: [UInt8]) {
        guard bytes.count > 2, !endpoints.isEmpty, let id = RemoteTaskID("7d3f0f5e-0000-4000-8000-000000000000") else {
            return
        }
        let profile = endpoints[Int(bytes[0]) % endpoints.count]
        let status = statuses[Int(bytes[1]) % statuses.count]
        let reply = UpstreamReply(status: status, body: Array(bytes[2...]))
        _ = profile.dialect.readSubmission(reply)
        _ = profile.dialect.readLookup(reply, of: id)
        _ = profile.batching?.read(reply, of: [id])
        _ = profile.listing?.read(reply)
        guard let body = try? JSONValue(parsing: reply.body, limits: .lenient) else { return }
        _ = profile.dialect.readCallback(body)
        guard let observation = profile.dialect.observe(body, of: id, httpStatus: status) else { return }
        // Only a JSON object can be an acceptance.
        if case .succeeded = observation.verdict { precondition(body.object != nil, "\(body) is no success.") }
    }

    /// The first byte selects the endpoint. The rest is the body.
    private static func readCallback(_ bytes: [UInt8]) {
        guard let first = bytes.first, !endpoints.isEmpty,
            let body = try? JSONValue(parsing: bytes[1...], limits: .lenient),
            let (id, observation) = endpoints[Int(first) % endpoints.count].dialect.readCallback(body)
        else { return }
        // Only a JSON object is a callback, and its record is stored unchanged.
        precondition(body.object != nil, "\(body) speaks of no task.")
        precondition(observation.record == body, "The body is kept differently.")
        precondition(
            CallbackDelivery(attempt: 1, remoteID: id, observation: observation).isFinal
                == (observation.verdict != .pending), "A delivery is final and is not.")
        if let progress = observation.progress { precondition((0...100).contains(progress), "\(progress) per cent.") }
    }

    /// Checks that reading a definition is deterministic, and that errors name the file.
    private static func readDefinition(_ bytes: [UInt8]) {
        let yaml = String(decoding: bytes, as: UTF8.self)
        do throws(CatalogError) {
            _ = try ProviderCatalog(definitions: [("fuzz.yaml", yaml)])
        } catch {
            precondition(error.message.contains("fuzz.yaml"), "\(error.message) names no file.")
        }
    }

    private static func readText(_ text: String) {
        if let cursor = PageCursor(text: text) {
            precondition(PageCursor(text: cursor.text) == cursor, "A cursor reads differently.")
        }
        if let point = Timestamp(rfc3339: text) {
            precondition(Timestamp(rfc3339: point.rfc3339) == point, "A time reads differently.")
        }
        if let id = TaskID(text) { precondition(TaskID(id.text) == id, "An id reads differently.") }
        if let pointer = JSONPointer(text) {
            precondition(JSONPointer(pointer.description) == pointer, "A pointer reads differently.")
        }
        if let name = EndpointName(text) { precondition(EndpointName(name.text) == name, "A name reads differently.") }
        _ = NearestName.of(text, among: ["state", "endpoint", "label"])
    }

    private static let statuses = [200, 201, 202, 400, 401, 402, 403, 404, 409, 410, 422, 429, 500, 502, 503, 504]
    private static let endpoints = (try? ProviderCatalog.builtIn().endpoints) ?? []
}
