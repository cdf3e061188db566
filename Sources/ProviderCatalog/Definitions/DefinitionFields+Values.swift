import TaskModel
import VerbatimJSON
import Yams

/// Reads fields whose values have special forms.
extension DefinitionFields {
    /// Reads codes and message texts, both in lower case: a list of codes, or two lists under their names.
    func codesAndTexts(_ name: String) throws(CatalogError) -> (codes: Set<String>, texts: Set<String>) {
        func folded(_ list: [String]?) -> Set<String> { Set((list ?? []).map { $0.lowercased() }) }
        guard let field = field(name), field.value.mapping != nil,
            let lists = try fields(name, allowed: ["code", "text"])
        else { return (folded(try texts(name)), []) }
        guard lists.has("code") || lists.has("text") else { throw error(name, "expected code, text, or both") }
        return (folded(try lists.oneOrMore("code")), folded(try lists.oneOrMore("text")))
    }

    /// One text or a list of them.
    private func oneOrMore(_ name: String) throws(CatalogError) -> [String]? {
        field(name)?.value.scalar == nil ? try texts(name) : try text(name).map { [$0] }
    }

    /// Reads where a reply says how long to wait.
    func waitPlace(_ name: String) throws(CatalogError) -> WaitPlace? {
        guard let fields = try fields(name, allowed: ["header", "at", "unit"]) else { return nil }
        let place = WaitPlace(
            header: try fields.text("header")?.lowercased(), at: try fields.places("at") ?? [],
            unit: try fields.choice("unit") ?? .seconds)
        guard place.header != nil || !place.at.isEmpty else { throw error(name, "expected header, at, or both") }
        return place
    }

    /// A decimal number, in millionths.
    func amount(_ name: String) throws(CatalogError) -> Int64? {
        guard let field = field(name) else { return nil }
        guard let amount = field.value.scalar.flatMap({ Micros.reading($0.string) }) else {
            throw error(name, "expected a number from 0 with at most six decimals, as in 0.04")
        }
        return amount
    }

    /// Any JSON, written as YAML.
    func json(_ name: String) throws(CatalogError) -> JSONValue? {
        guard let field = field(name) else { return nil }
        var budget = 1_000
        guard let value = Self.json(field.value, budget: &budget) else {
            throw error(name, "expected texts, numbers, lists and fields, a thousand at most")
        }
        return value
    }

    private static func json(_ node: Node, budget: inout Int) -> JSONValue? {
        budget -= 1
        guard budget >= 0 else { return nil }
        switch node {
        case .scalar(let scalar):
            let isQuoted = [.singleQuoted, .doubleQuoted, .literal, .folded].contains(scalar.style)
            if isQuoted { return .string(scalar.string) }
            if node.null != nil { return .null }
            if let flag = node.bool { return .bool(flag) }
            if let whole = node.int { return .number(JSONNumber(whole)) }
            if let number = node.float { return JSONNumber(number).map(JSONValue.number) }
            return .string(scalar.string)
        case .sequence(let elements):
            var values: [JSONValue] = []
            for element in elements {
                guard let value = json(element, budget: &budget) else { return nil }
                values.append(value)
            }
            return .array(values)
        case .mapping(let mapping):
            var object = JSONObject()
            for (key, value) in mapping {
                guard let name = key.string, let value = json(value, budget: &budget) else { return nil }
                object[name] = value
            }
            return .object(object)
        case .alias: return nil
        }
    }
}
