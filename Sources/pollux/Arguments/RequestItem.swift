import ArgumentParser
import VerbatimJSON

/// One `-d`: `prompt=hi` is a string, `n:=4` and `x:=[1,2]` are raw JSON, as in HTTPie.
struct RequestItem: Equatable {
    let name: String
    let value: JSONValue

    init(_ text: String) throws(ItemError) {
        guard let equals = text.firstIndex(of: "=") else { throw .noSeparator(text) }
        let isRaw = text[..<equals].last == ":"
        name = String(isRaw ? text[..<equals].dropLast() : text[..<equals])
        guard !name.isEmpty else { throw .noName(text) }
        let rest = String(text[text.index(after: equals)...])
        guard isRaw else {
            value = .string(rest)
            return
        }
        do throws(JSONSyntaxError) {
            value = try JSONValue(parsing: rest)
        } catch {
            throw .notJSON(name: name, value: rest, problem: error.problem)
        }
    }

    /// Why a `-d` is invalid.
    enum ItemError: Error, Equatable, CustomStringConvertible {
        case noSeparator(String)
        case noName(String)
        case notJSON(name: String, value: String, problem: String)

        var description: String {
            switch self {
            case .noSeparator(let text):
                "'\(text)' has no '='. Write -d name=text, or -d name:=JSON."
            case .noName(let text):
                "'\(text)' has no name before its '='. Write -d name=text, or -d name:=JSON."
            case .notJSON(let name, let value, let problem):
                "'\(value)' is not JSON: \(problem). For a string write -d '\(name)=\(value)'."
            }
        }
    }

    /// Adds the items to a body. A repeated name is rejected, because it is probably a mistake.
    static func merge(_ items: [RequestItem], into body: JSONObject) throws -> JSONObject {
        var merged = body
        var seen: Set<String> = []
        for item in items {
            guard seen.insert(item.name).inserted else {
                throw ValidationError("-d gives '\(item.name)' twice. For a list write -d '\(item.name):=[…]'.")
            }
            merged[item.name] = item.value
        }
        return merged
    }
}
