import ArgumentParser
import VerbatimJSON

/// A host whose settings can name this server.
enum MCPHost: String, CaseIterable, Sendable, ExpressibleByArgument {
    case claude, cursor, vscode, codex

    /// Where the settings belong.
    var place: String {
        switch self {
        case .claude: "claude_desktop_config.json, or .mcp.json of a project for Claude Code"
        case .cursor: "~/.cursor/mcp.json, or .cursor/mcp.json of a project"
        case .vscode: ".vscode/mcp.json of a workspace"
        case .codex: "~/.codex/config.toml"
        }
    }

    /// The settings that start the program with these arguments.
    func settings(program: String, arguments: [String]) -> String {
        let list = JSONValue.array(arguments.map { .string($0) })
        switch self {
        case .claude, .cursor:
            return JSONValue.object(
                JSONObject([("mcpServers", ["pollux": ["command": .string(program), "args": list]])])
            ).printablePrettyText
        case .vscode:
            return JSONValue.object(
                JSONObject([("servers", ["pollux": ["type": "stdio", "command": .string(program), "args": list]])])
            ).printablePrettyText
        case .codex:
            // A TOML basic string has the escapes of JSON.
            return
                "[mcp_servers.pollux]\ncommand = \(JSONValue.string(program).printableText)\nargs = \(list.printableText)"
        }
    }
}
