import VerbatimJSON

/// A request of the host (JSON-RPC 2.0).
struct RPCRequest: Sendable {
    /// A string or an integer, which the reply repeats.
    let id: JSONValue
    let method: String
    let params: JSONObject
}

/// One message of the host.
enum RPCMessage: Sendable {
    case request(RPCRequest)
    case notification(method: String, params: JSONObject)
    /// A reply. It is ignored, because this server sends no requests.
    case reply

    /// Reads a line.
    init(line: [UInt8]) throws(RPCError) {
        let json: JSONValue
        do throws(JSONSyntaxError) { json = try JSONValue(parsing: line) } catch {
            throw RPCError(.parseError, "The line is not JSON: \(error.message)")
        }
        if case .array = json { throw RPCError(.invalidRequest, "Protocol 2025-06-18 and later have no batches.") }
        guard case .object(let message) = json, message["jsonrpc"] == "2.0" else {
            throw RPCError(.invalidRequest, "The line is not a message of JSON-RPC 2.0.", id: Self.id(in: json))
        }
        guard let method = message["method"] else {
            guard message["result"] != nil || message["error"] != nil else {
                throw RPCError(.invalidRequest, "`method` is missing.", id: Self.id(in: json))
            }
            self = .reply
            return
        }
        guard let method = method.string else {
            throw RPCError(.invalidRequest, "`method` must be a string.", id: Self.id(in: json))
        }
        let params = message["params"] ?? .null
        guard message["id"] != nil else {
            self = .notification(method: method, params: params.object ?? JSONObject())
            return
        }
        guard let id = Self.id(in: json) else {
            throw RPCError(.invalidRequest, "`id` must be a string or an integer.")
        }
        guard params.isNull || params.object != nil else {
            throw RPCError(.invalidParams, "`params` must be an object.", id: id)
        }
        self = .request(RPCRequest(id: id, method: method, params: params.object ?? JSONObject()))
    }

    private static func id(in message: JSONValue) -> JSONValue? { message["id"].flatMap(identifier) }

    /// The value if it can identify a request or its progress.
    static func identifier(_ value: JSONValue) -> JSONValue? {
        switch value {
        case .string: return value
        // A conditional expression with nil would be the null of JSON.
        case .number(let number) where Int64(number.digits) != nil: return value
        case .number, .null, .bool, .array, .object: return nil
        }
    }
}

/// An error in place of a result.
struct RPCError: Error, Sendable, Hashable {
    /// The codes of JSON-RPC, and of MCP 2026-07-28.
    enum Code: Int, Sendable {
        case parseError = -32_700
        case invalidRequest = -32_600
        case methodNotFound = -32_601
        case invalidParams = -32_602
        /// Defined by this server.
        case tooManyCalls = -32_010
        case unsupportedVersion = -32_022
    }

    let code: Code
    let message: String
    /// The id of the request; nil if it is not known.
    var id: JSONValue?
    var data: JSONValue?

    init(_ code: Code, _ message: String, id: JSONValue? = nil, data: JSONValue? = nil) {
        self.code = code
        self.message = message
        self.id = id
        self.data = data
    }

    /// The reply.
    var json: JSONValue {
        var error = JSONObject([("code", .number(JSONNumber(code.rawValue))), ("message", .string(message))])
        error["data"] = data
        return ["jsonrpc": "2.0", "id": id ?? .null, "error": .object(error)]
    }
}
