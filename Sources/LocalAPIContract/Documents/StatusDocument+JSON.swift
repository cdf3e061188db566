package import VerbatimJSON

extension StatusDocument {
    /// Reads the status.
    package init(json: JSONValue) throws(ContractError) {
        let reader = try DocumentReader(json)
        self.init(
            version: try reader.required("version", reader.string),
            pid: try reader.required("pid", reader.integer),
            startedAt: try reader.required("started_at", reader.string),
            uptimeSeconds: try reader.required("uptime_seconds", reader.number),
            tasks: try reader.nested("tasks") { counts throws(ContractError) in try counts.counts() } ?? [:],
            database: try reader.required("database") { name throws(ContractError) in
                try reader.nested(name, Database.init(reader:))
            },
            socket: try reader.required("socket", reader.string),
            stateDirectory: try reader.required("state_directory", reader.string),
            providers: try reader.documents("providers", Provider.init(json:)),
            callbacks: try reader.nested("callbacks", Callbacks.init(reader:)))
    }

    /// Every field; states in the order of a task's life, those that a newer daemon knows behind.
    package var json: JSONValue {
        let strangers = tasks.keys.filter { !TaskDocument.states.contains($0) }.sorted()
        let counts = (TaskDocument.states + strangers).map { state in
            (state, JSONValue.number(JSONNumber(tasks[state] ?? 0)))
        }
        return [
            "version": .string(version), "pid": .number(JSONNumber(pid)), "started_at": .string(startedAt),
            "uptime_seconds": JSONValue(uptimeSeconds), "tasks": .object(JSONObject(counts)),
            "database": ["path": .string(database.path), "size_bytes": .number(JSONNumber(database.sizeBytes))],
            "socket": .string(socket), "state_directory": .string(stateDirectory),
            "providers": .array(providers.map(\.json)), "callbacks": callbacks?.json ?? .null,
        ]
    }
}

extension StatusDocument.Database {
    fileprivate init(reader: DocumentReader) throws(ContractError) {
        path = try reader.required("path", reader.string)
        sizeBytes = try reader.required("size_bytes", reader.integer)
    }
}

extension StatusDocument.Callbacks {
    fileprivate init(reader: DocumentReader) throws(ContractError) {
        listen = try reader.required("listen", reader.string)
        publicURL = try reader.required("public_url", reader.string)
        deliveries = try reader.integer("deliveries") ?? 0
        unknownTokens = try reader.integer("unknown_tokens") ?? 0
        problem = try reader.string("problem")
    }

    fileprivate var json: JSONValue {
        [
            "listen": .string(listen), "public_url": .string(publicURL),
            "deliveries": .number(JSONNumber(deliveries)), "unknown_tokens": .number(JSONNumber(unknownTokens)),
            "problem": JSONValue(problem),
        ]
    }
}

extension StatusDocument.Provider {
    fileprivate init(json: JSONValue) throws(ContractError) {
        let reader = try DocumentReader(json)
        name = try reader.required("name", reader.string)
        baseURL = try reader.required("base_url", reader.string)
        token = try reader.required("token", reader.string)
        state = try reader.required("state", reader.string)
        reason = try reader.string("reason")
    }

    fileprivate var json: JSONValue {
        [
            "name": .string(name), "base_url": .string(baseURL), "token": .string(token),
            "state": .string(state), "reason": JSONValue(reason),
        ]
    }
}
