/// A JSON value that keeps the order of object members and the spelling of numbers.
///
/// A record echoes its request, and clients compare the two. So requests must not be reordered or rounded.
enum JSONValue: Hashable, Sendable {
    case null
    case bool(Bool)
    /// The number as spelled in JSON, such as `1.0` or `3e8`.
    case number(String)
    case string(String)
    case array([JSONValue])
    case object([Member])

    /// A name and its value in an object.
    struct Member: Hashable, Sendable {
        var name: String
        var value: JSONValue
    }

    /// The value of an object member; nil if it is absent or this is not an object.
    ///
    /// The last of repeated names wins, as in most parsers.
    subscript(name: String) -> JSONValue? {
        guard case .object(let members) = self else { return nil }
        return members.last { $0.name == name }?.value
    }

    var stringValue: String? {
        guard case .string(let text) = self else { return nil }
        return text
    }

    var doubleValue: Double? {
        guard case .number(let literal) = self else { return nil }
        return Double(literal)
    }

    var arrayValue: [JSONValue]? {
        guard case .array(let elements) = self else { return nil }
        return elements
    }

    /// The value with object members sorted by name at every level. Equal requests get equal text.
    var canonical: JSONValue {
        switch self {
        case .null, .bool, .number, .string: self
        case .array(let elements): .array(elements.map(\.canonical))
        case .object(let members):
            .object(
                members.map { Member(name: $0.name, value: $0.value.canonical) }.sorted { $0.name < $1.name })
        }
    }

    /// Returns the object without the named members.
    func without(_ names: Set<String>) -> JSONValue {
        guard case .object(let members) = self else { return self }
        return .object(members.filter { !names.contains($0.name) })
    }

    /// Returns the object followed by another object's members.
    func appending(_ other: JSONValue) -> JSONValue {
        guard case .object(let members) = self, case .object(let more) = other else { return self }
        return .object(members + more)
    }
}

extension JSONValue: ExpressibleByStringLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral,
    ExpressibleByNilLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
    init(stringLiteral value: String) { self = .string(value) }
    init(booleanLiteral value: Bool) { self = .bool(value) }
    init(integerLiteral value: Int) { self = .number(String(value)) }
    init(nilLiteral: ()) { self = .null }
    init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
    init(dictionaryLiteral elements: (String, JSONValue)...) {
        self = .object(elements.map { Member(name: $0.0, value: $0.1) })
    }
}

extension JSONValue {
    static func integer(_ value: Int) -> JSONValue { .number(String(value)) }

    /// A number with at most three decimals, the precision of the documented times and durations.
    static func decimal(_ value: Double) -> JSONValue {
        let thousandths = Int((value * 1000).rounded())
        return .number("\(Double(thousandths) / 1000)")
    }

    static func strings(_ values: [String]) -> JSONValue { .array(values.map(JSONValue.string)) }
}
