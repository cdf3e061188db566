import VerbatimJSON

/// The form of the replies to one request.
///
/// Protocol 2026-07-28 has no connection state: each request names its version in `_meta`. Earlier versions begin with `initialize`.
/// Each request is answered in its own form, so that the server keeps nothing about the host.
enum MCPEra: Sendable, Hashable {
    case handshake
    case stateless

    /// The versions that begin with `initialize`, newest first.
    static let handshakeVersions = ["2025-11-25", "2025-06-18"]
    static let statelessVersion = "2026-07-28"
    static let versions = [statelessVersion] + handshakeVersions

    private static let versionKey = "io.modelcontextprotocol/protocolVersion"
    private static let capabilitiesKey = "io.modelcontextprotocol/clientCapabilities"
    private static let serverInfoKey = "io.modelcontextprotocol/serverInfo"

    init(of request: RPCRequest) throws(RPCError) {
        let meta = request.params["_meta"]?.object ?? JSONObject()
        guard let stated = meta[Self.versionKey] else {
            self = .handshake
            return
        }
        guard let version = stated.string else {
            throw RPCError(.invalidParams, "`_meta.\(Self.versionKey)` must be a string.", id: request.id)
        }
        guard version == Self.statelessVersion else {
            throw RPCError(
                .unsupportedVersion, "Protocol version \(version) is not supported in requests.", id: request.id,
                data: ["supported": Self.list(Self.versions), "requested": .string(version)])
        }
        guard meta[Self.capabilitiesKey]?.object != nil else {
            throw RPCError(.invalidParams, "`_meta.\(Self.capabilitiesKey)` must be an object.", id: request.id)
        }
        self = .stateless
    }

    /// The reply with that result. One that may be cached is the same for the life of the process.
    func reply(to id: JSONValue, _ result: JSONObject, mayBeCached: Bool = false) -> JSONValue {
        var result = result
        if self == .stateless {
            result["resultType"] = "complete"
            if mayBeCached {
                result["ttlMs"] = 3_600_000
                result["cacheScope"] = "private"
            }
            result["_meta"] = [Self.serverInfoKey: Self.serverInfo]
        }
        return ["jsonrpc": "2.0", "id": id, "result": .object(result)]
    }

    private static let serverInfo: JSONValue = [
        "name": "pollux", "title": "Pollux", "version": .string(Version.current),
    ]
    private static let capabilities: JSONValue = ["tools": [:]]

    /// The result of `server/discover`.
    static func discovery(instructions: String) -> JSONObject {
        JSONObject([
            ("supportedVersions", list(versions)), ("capabilities", capabilities),
            ("instructions", .string(instructions)),
        ])
    }

    /// The result of `initialize`: the version that was asked for, or the newest of its kind.
    static func handshake(_ params: JSONObject, instructions: String) throws(RPCError) -> JSONObject {
        guard let requested = params["protocolVersion"]?.string else {
            throw RPCError(.invalidParams, "`protocolVersion` must be a string.")
        }
        let version = handshakeVersions.contains(requested) ? requested : handshakeVersions[0]
        return JSONObject([
            ("protocolVersion", .string(version)), ("capabilities", capabilities), ("serverInfo", serverInfo),
            ("instructions", .string(instructions)),
        ])
    }

    private static func list(_ texts: [String]) -> JSONValue { .array(texts.map { .string($0) }) }
}
