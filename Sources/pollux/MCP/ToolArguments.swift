import VerbatimJSON

/// What a model must do differently, as sentences. The model reads it in the result of its call.
struct ToolProblem: Error {
    let message: String

    init(_ message: String) { self.message = message }
}

/// The arguments of a call. Models often write numbers, lists and objects as strings, so those are read too.
struct ToolArguments: Sendable {
    private let members: JSONObject

    init(_ members: JSONObject) { self.members = members }

    /// Rejects arguments that the tool does not have, since a model may mean them to change what it pays for.
    func check(known names: [String]) throws(ToolProblem) {
        let unknown = members.names.filter { !names.contains($0) }
        guard unknown.isEmpty else {
            let hint = names.contains("request") ? " Fields for the provider belong into `request`." : ""
            throw ToolProblem(
                "Unknown: \(unknown.joined(separator: ", ")). The arguments are \(names.joined(separator: ", ")).\(hint)"
            )
        }
    }

    private func value(_ name: String) -> JSONValue? { members[name].flatMap { $0.isNull ? nil : $0 } }

    func text(_ name: String) throws(ToolProblem) -> String? {
        guard let value = value(name) else { return nil }
        switch value {
        case .string(let text): return text
        case .number(let number): return number.digits
        default: throw ToolProblem("`\(name)` must be a string, not \(value.kind).")
        }
    }

    func required(_ name: String) throws(ToolProblem) -> String {
        guard let text = try text(name), !text.isEmpty else { throw ToolProblem("`\(name)` is missing.") }
        return text
    }

    func object(_ name: String) throws(ToolProblem) -> JSONObject {
        guard let value = value(name) else { throw ToolProblem("`\(name)` is missing. It must be an object.") }
        if let object = value.object { return object }
        if let text = value.string, let object = (try? JSONValue(parsing: text))?.object { return object }
        throw ToolProblem("`\(name)` must be an object, not \(value.kind).")
    }

    /// The seconds, at most `most`.
    func seconds(_ name: String, default standard: Int, most: Int) throws(ToolProblem) -> Duration {
        guard let value = value(name) else { return .seconds(standard) }
        guard let number = value.number?.double ?? value.string.flatMap(Double.init), number.isFinite else {
            throw ToolProblem("`\(name)` must be a number of seconds, not \(value.kind).")
        }
        return .milliseconds(Int64(max(0, min(Double(most), number)) * 1_000))
    }

    func flag(_ name: String) throws(ToolProblem) -> Bool {
        guard let value = value(name) else { return false }
        guard let flag = value.bool ?? value.string.flatMap(Bool.init) else {
            throw ToolProblem("`\(name)` must be true or false, not \(value.kind).")
        }
        return flag
    }

    /// A list of strings, or one string with commas.
    func list(_ name: String) throws(ToolProblem) -> [String] {
        guard let value = value(name) else { return [] }
        if let text = value.string {
            if text.hasPrefix("["), let list = (try? JSONValue(parsing: text))?.array {
                return try ToolArguments(JSONObject([(name, .array(list))])).list(name)
            }
            return text.split { ", \n".contains($0) }.map(String.init)
        }
        guard let list = value.array, list.allSatisfy({ $0.string != nil }) else {
            throw ToolProblem("`\(name)` must be a list of strings, not \(value.kind).")
        }
        return list.compactMap(\.string)
    }

    func labels(_ name: String) throws(ToolProblem) -> [String: String] {
        guard value(name) != nil else { return [:] }
        var labels: [String: String] = [:]
        for member in try object(name).members {
            guard let text = try ToolArguments(JSONObject([(member.name, member.value)])).text(member.name) else {
                continue
            }
            labels[member.name] = text
        }
        return labels
    }
}
