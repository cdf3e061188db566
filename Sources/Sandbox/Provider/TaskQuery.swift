import Foundation

/// A parsed request to a tasks endpoint.
enum TaskQuery: Sendable, Equatable {
    /// One task, by any of its ids.
    case single(Key)
    /// Several tasks by id, in unspecified order.
    case batch([Key], Page)
    /// The caller's tasks, newest first.
    case list(Window, Page)

    enum Key: Hashable, Sendable {
        case task(String)
        case trace(String)
    }

    struct Page: Sendable, Equatable {
        /// The limit when a request names none. It also truncates batches by id.
        static let defaultLimit = 12

        var offset = 0
        var limit = Page.defaultLimit
    }

    struct Window: Sendable, Equatable {
        var from: Date?
        var to: Date?
        var recordType: String?
        var userID: String?
        var applicationID: String?

        func contains(_ task: SimulatedTask) -> Bool {
            (from.map { task.createdAt >= $0 } ?? true) && (to.map { task.createdAt <= $0 } ?? true)
                && (recordType.map { task.operation.recordType == $0 } ?? true)
                && (userID.map { task.owner.userID == $0 } ?? true)
                && (applicationID.map { task.owner.applicationID == $0 } ?? true)
        }
    }

    /// Parses a request body. Throws the provider's `bad_request` for an invalid one.
    init(body: JSONValue, form: ServiceForm = .standard) throws(ProviderError) {
        switch body["action"] {
        case nil, .null, .string("retrieve"):
            guard let key = Self.key(in: body, names: form.lookupKeys) else {
                throw .badRequest("\(form.lookupKeys[0]) or trace_id is required to retrieve a task")
            }
            self = .single(key)
        case .string("retrieve_batch") where form.batch != .none:
            let page = Page(
                offset: try Self.count("offset", in: body) ?? 0,
                limit: try Self.count("limit", in: body) ?? Page.defaultLimit)
            if form.batch != .history, let keys = try Self.keys(in: body) {
                self = .batch(keys, page)
            } else {
                self = .list(try Self.window(in: body), page)
            }
        default:
            throw .badRequest("action is invalid.")
        }
    }

    private static func key(in body: JSONValue, names: [String]) -> Key? {
        if let id = names.lazy.compactMap({ body[$0]?.stringValue }).first { return .task(id) }
        return body["trace_id"]?.stringValue.map(Key.trace)
    }

    private static func keys(in body: JSONValue) throws(ProviderError) -> [Key]? {
        if let ids = try strings("ids", in: body) { return ids.map(Key.task) }
        return try strings("trace_ids", in: body)?.map(Key.trace)
    }

    private static func window(in body: JSONValue) throws(ProviderError) -> Window {
        Window(
            from: try seconds("created_at_min", in: body), to: try seconds("created_at_max", in: body),
            recordType: body["type"]?.stringValue, userID: body["user_id"]?.stringValue,
            applicationID: body["application_id"]?.stringValue)
    }

    private static func strings(_ name: String, in body: JSONValue) throws(ProviderError) -> [String]? {
        guard let value = body[name], value != .null else { return nil }
        guard let elements = value.arrayValue else { throw .badRequest("\(name) must be a list.") }
        let texts = elements.compactMap(\.stringValue)
        guard texts.count == elements.count else { throw .badRequest("\(name) must be a list of strings.") }
        return texts
    }

    private static func count(_ name: String, in body: JSONValue) throws(ProviderError) -> Int? {
        guard let value = body[name], value != .null else { return nil }
        guard let number = value.doubleValue, let count = Int(exactly: number), count >= 0 else {
            throw .badRequest("\(name) must be a whole number.")
        }
        return count
    }

    private static func seconds(_ name: String, in body: JSONValue) throws(ProviderError) -> Date? {
        guard let value = body[name], value != .null else { return nil }
        guard let number = value.doubleValue else { throw .badRequest("\(name) must be Unix seconds.") }
        return Date(timeIntervalSince1970: number)
    }
}
