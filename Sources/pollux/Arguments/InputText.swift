import VerbatimJSON

/// Reads a JSON object from the command line, a file or standard input.
enum InputText {
    /// Reads `{…}`, `@file` or `-`.
    static func object(_ argument: String, option: String) throws -> JSONObject {
        let bytes = try bytes(argument)
        let value: JSONValue
        do throws(JSONSyntaxError) {
            value = try JSONValue(parsing: bytes)
        } catch {
            throw RefusedInput(message: "\(option): \(error.message)")
        }
        guard case .object(let object) = value else {
            throw RefusedInput(message: "\(option) must be a JSON object, not \(value.kind).")
        }
        return object
    }

    private static func bytes(_ argument: String) throws -> [UInt8] {
        if argument == "-" { return try read("-") }
        if argument.first == "@" { return try read(String(argument.dropFirst())) }
        return Array(argument.utf8)
    }

    private static func read(_ path: String) throws -> [UInt8] {
        var reader = try LineReader(path: path)
        let bytes = reader.rest()
        try reader.checkEnd()
        return bytes
    }
}
