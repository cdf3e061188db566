package import VerbatimJSON

/// A value of a member of a contract document.
package protocol MemberValue: Sendable {
    /// Reads a value that is not null at `path`; nil for the outermost document.
    static func read(_ json: JSONValue, at path: String?) throws(ContractError) -> Self

    /// The value as JSON.
    var json: JSONValue { get }
}

extension MemberValue {
    fileprivate static func read(
        _ json: JSONValue, at path: String?, as expected: String, _ convert: (JSONValue) -> Self?
    ) throws(ContractError) -> Self {
        guard let value = convert(json) else {
            throw .wrongType(field: path, expected: expected, found: json.kind)
        }
        return value
    }
}

extension JSONValue: MemberValue {
    /// Any value, unchanged.
    package static func read(_ json: JSONValue, at path: String?) -> JSONValue { json }
    package var json: JSONValue { self }
}

extension String: MemberValue {
    package static func read(_ json: JSONValue, at path: String?) throws(ContractError) -> String {
        try read(json, at: path, as: "a string", \.string)
    }
    package var json: JSONValue { .string(self) }
}

extension Bool: MemberValue {
    package static func read(_ json: JSONValue, at path: String?) throws(ContractError) -> Bool {
        try read(json, at: path, as: "a Boolean", \.bool)
    }
    package var json: JSONValue { .bool(self) }
}

extension Int: MemberValue {
    package static func read(_ json: JSONValue, at path: String?) throws(ContractError) -> Int {
        try read(json, at: path, as: "a whole number") { $0.number?.integer.flatMap { Int(exactly: $0) } }
    }
    package var json: JSONValue { .number(JSONNumber(self)) }
}

extension Double: MemberValue {
    package static func read(_ json: JSONValue, at path: String?) throws(ContractError) -> Double {
        try read(json, at: path, as: "a number") { $0.number?.double }
    }
    /// Null for NaN and infinities, which JSON lacks.
    package var json: JSONValue { JSONNumber(self).map(JSONValue.number) ?? .null }
}

extension [String: String]: MemberValue {
    package static func read(_ json: JSONValue, at path: String?) throws(ContractError) -> [String: String] {
        guard case .object(let object) = json else {
            throw .wrongType(field: path, expected: "an object", found: json.kind)
        }
        var strings: [String: String] = [:]
        for member in object.members {
            strings[member.name] = try String.read(member.value, at: "\(path.map { $0 + "." } ?? "")\(member.name)")
        }
        return strings
    }
    /// In alphabetical order, so that equal labels have equal text.
    package var json: JSONValue {
        .object(JSONObject(distinct: sorted { $0.key < $1.key }.map { .init($0.key, .string($0.value)) }))
    }
}

extension Array: MemberValue where Element: MemberValue {
    package static func read(_ json: JSONValue, at path: String?) throws(ContractError) -> [Element] {
        guard case .array(let elements) = json else {
            throw .wrongType(field: path, expected: "an array", found: json.kind)
        }
        return try read(elements, at: path)
    }

    /// An error inside an element names its path, without its index in the list.
    static func read(_ elements: [JSONValue], at path: String?) throws(ContractError) -> [Element] {
        var values: [Element] = []
        values.reserveCapacity(elements.count)
        for element in elements { values.append(try Element.read(element, at: path)) }
        return values
    }
    package var json: JSONValue { .array(map(\.json)) }
}
