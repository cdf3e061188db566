import VerbatimJSON

/// A tool: what a model is shown of it, and what a call of it does.
struct MCPTool: Sendable {
    let name: String
    let title: String
    let description: String
    /// The arguments by name, each with its JSON Schema.
    let arguments: JSONObject
    var required: [String] = []
    let output: JSONValue
    /// Whether a call changes nothing but the notes about what the agent has seen.
    var isReadOnly = true
    /// Whether a call can cost money or end work.
    var isDestructive = false
    /// Whether a call reaches a provider.
    var isOpenWorld = false
    let run: @Sendable (MCPTools, ToolArguments, MCPProgress) async throws -> ToolResult

    /// Its entry in `tools/list`.
    var json: JSONValue {
        [
            "name": .string(name), "title": .string(title), "description": .string(description),
            "inputSchema": [
                "type": "object", "properties": .object(arguments),
                "required": .array(required.map { .string($0) }), "additionalProperties": false,
            ],
            "outputSchema": output,
            "annotations": [
                "title": .string(title), "readOnlyHint": .bool(isReadOnly), "destructiveHint": .bool(isDestructive),
                "idempotentHint": true, "openWorldHint": .bool(isOpenWorld),
            ],
        ]
    }
}

extension MCPTool {
    /// All tools, in the order of their use.
    static let all: [MCPTool] = [endpoints, generate, wait, get, list, cancel, spend]

    static let generate = MCPTool(
        name: "generate", title: "Generate an image, a video or audio",
        description: """
            Submits one generation task, which costs money, and waits for its end up to `wait_seconds`. The task is stored \
            first and goes on by itself, also if this call is cut off. Call `endpoints` for the names of endpoints and the fields of \
            `request`. Repeating an equal call is safe: it returns the task of the first one, and nothing is paid twice, until `wait` \
            or `get` has shown you the end of that task. To make several tasks of one request, give each a different `key`.
            """,
        arguments: JSONObject([
            ("endpoint", string("The endpoint, as service/operation.")),
            (
                "request",
                [
                    "type": "object",
                    "description": "The provider's fields, such as prompt. `endpoints` shows an example.",
                ]
            ),
            (
                "key",
                string(
                    "Names this task. The same key and request always return the same task; another key means another task."
                )
            ),
            (
                "labels",
                [
                    "type": "object", "additionalProperties": ["type": "string"],
                    "description": "Words to find the task by.",
                ]
            ),
            ("wait_seconds", seconds("How long to wait for the end of the task.", default: 30)),
            ("inline", inline),
        ]),
        required: ["endpoint", "request"], output: task(with: ["joined": ["type": "boolean"]]), isReadOnly: false,
        isDestructive: true, isOpenWorld: true
    ) { try await $0.generate($1, $2) }

    static let wait = MCPTool(
        name: "wait", title: "Wait for tasks",
        description: """
            Waits until all of these tasks have ended, up to `seconds`, and returns them. Call it again while a task is open.
            """,
        arguments: JSONObject([
            (
                "ids",
                [
                    "type": "array", "items": ["type": "string"], "minItems": 1, "maxItems": 32,
                    "description": "The ids of tasks.",
                ]
            ),
            ("seconds", seconds("How long to wait.", default: 45)),
            ("inline", inline),
        ]),
        required: ["ids"], output: tasks
    ) { try await $0.wait($1, $2) }

    static let get = MCPTool(
        name: "get", title: "Show a task", description: "Returns one task with its results, without waiting.",
        arguments: JSONObject([("id", string("The id of the task.")), ("inline", inline)]), required: ["id"],
        output: task()
    ) { try await $0.get($1, $2) }

    static let list = MCPTool(
        name: "list", title: "List tasks", description: "Lists the tasks of this agent, newest first.",
        arguments: JSONObject([
            (
                "state",
                string(
                    "Only these states, separated by commas: queued, submitting, uncertain, running, succeeded, failed, cancelled, expired."
                )
            ),
            ("endpoint", string("Only these endpoints, separated by commas.")),
            ("limit", ["type": "integer", "minimum": 1, "maximum": 50, "default": 20]),
            ("cursor", string("`next_cursor` of the page before.")),
        ]),
        output: tasks
    ) { try await $0.list($1, $2) }

    static let cancel = MCPTool(
        name: "cancel", title: "Cancel a task",
        description: """
            Stops tracking a task of this agent. The provider is asked to cancel it if it can; otherwise the task may still be billed.
            """,
        arguments: JSONObject([("id", string("The id of the task."))]), required: ["id"], output: task(),
        isReadOnly: false, isDestructive: true, isOpenWorld: true
    ) { try await $0.cancel($1, $2) }

    static let spend = MCPTool(
        name: "spend", title: "Show what was spent",
        description: """
            Shows what the tasks of this agent have cost, what is reserved for those whose outcome is unknown, and what the budgets have \
            left. A task for which a budget has no room waits in the queue; only a person can change that.
            """,
        arguments: JSONObject([
            (
                "since",
                [
                    "type": "string", "enum": ["day", "month", "ever"], "default": "month",
                    "description": "Tasks that were sent since then.",
                ]
            )
        ]),
        output: object(
            ["spend": ["type": "object"], "budgets": ["type": "array", "items": ["type": "object"]]],
            required: ["spend", "budgets"])
    ) { try await $0.spend($1, $2) }

    static let endpoints = MCPTool(
        name: "endpoints", title: "Find endpoints",
        description: """
            Lists what can be generated: the names of endpoints, what they make, how long they typically take, and for a narrow query \
            an example of `request`.
            """,
        arguments: JSONObject([
            ("query", string("Words in the name, the provider or the kind: image, video, audio or text. All if empty."))
        ]),
        output: object(
            [
                "endpoints": [
                    "type": "array",
                    "items": object(
                        ["name": ["type": "string"], "kind": ["type": "string"]], required: ["name", "kind"]),
                ]
            ], required: ["endpoints"])
    ) { try await $0.endpoints($1, $2) }
}

// MARK: Schemas

extension MCPTool {
    private static func string(_ description: String) -> JSONValue {
        ["type": "string", "description": .string(description)]
    }

    private static func seconds(_ description: String, default standard: Int) -> JSONValue {
        [
            "type": "number", "minimum": 0, "maximum": .number(JSONNumber(MCPTools.mostSeconds)),
            "default": .number(JSONNumber(standard)), "description": .string(description),
        ]
    }

    private static let inline: JSONValue = [
        "type": "boolean", "default": false,
        "description":
            "Also return pictures in this result, up to 1 MB together. Otherwise there are links and local files.",
    ]

    private static func object(_ properties: [String: JSONValue], required: [String]) -> JSONValue {
        [
            "type": "object", "properties": .object(JSONObject(properties.sorted { $0.key < $1.key })),
            "required": .array(required.map { .string($0) }),
        ]
    }

    /// A task of the API without request and response. Newer daemons add members.
    private static func task(with more: [String: JSONValue] = [:]) -> JSONValue {
        let text: JSONValue = ["type": "string"]
        let optional: JSONValue = ["type": ["string", "null"]]
        let result = object(
            [
                "kind": text, "pointer": text, "value": [:], "media_type": optional,
                "file": ["type": "string", "description": "The file on this machine."],
            ], required: ["kind"])
        let properties: [String: JSONValue] = [
            "id": text, "endpoint": text,
            "state": ["type": "string", "description": "succeeded, failed, cancelled and expired are ends."],
            "partial": ["type": "boolean"], "labels": ["type": "object"], "progress": ["type": ["number", "null"]],
            "results": ["type": "array", "items": result], "error": ["type": ["object", "null"]],
            "eta": ["type": ["object", "null"]], "waiting_for": ["type": ["object", "null"]], "created_at": text,
            "ended_at": optional,
        ]
        return object(
            properties.merging(more) { own, _ in own }, required: ["id", "endpoint", "state"] + more.keys.sorted())
    }

    private static let tasks = object(
        ["tasks": ["type": "array", "items": task()], "next_cursor": ["type": ["string", "null"]]], required: ["tasks"])
}
