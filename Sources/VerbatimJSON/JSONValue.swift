/// A JSON document that is written as it was read.
///
/// Numbers keep their digits and objects their order, so requests and replies pass through unchanged. Foundation's
/// coders guarantee neither: a 19-digit seed or `1.0` may change.
package enum JSONValue: Sendable, Hashable {
    case null
    case bool(Bool)
    case number(JSONNumber)
    case string(String)
    case array([JSONValue])
    case object(JSONObject)
}

extension JSONValue {
    /// The string, if this is one.
    package var string: String? {
        if case .string(let text) = self { text } else { nil }
    }

    /// The Boolean, if this is one.
    package var bool: Bool? {
        if case .bool(let flag) = self { flag } else { nil }
    }

    /// The number, if this is one.
    package var number: JSONNumber? {
        if case .number(let number) = self { number } else { nil }
    }

    /// The elements, if this is an array.
    package var array: [JSONValue]? {
        if case .array(let elements) = self { elements } else { nil }
    }

    /// The members, if this is an object.
    package var object: JSONObject? {
        if case .object(let object) = self { object } else { nil }
    }

    /// Whether this is `null`.
    package var isNull: Bool { self == .null }

    /// The member of that name, if this is an object with one.
    package subscript(name: String) -> JSONValue? { object?[name] }

    /// The kind of value for messages: "a string", "an object".
    package var kind: String {
        switch self {
        case .null: "null"
        case .bool: "a Boolean"
        case .number: "a number"
        case .string: "a string"
        case .array: "an array"
        case .object: "an object"
        }
    }

    /// Longer documents must not be parsed or written on an event loop.
    package static let handledAtOnce = 1 << 16

    /// Whether the written form exceeds about ``handledAtOnce`` bytes. Stops as soon as it knows.
    package var isLong: Bool {
        var left = Self.handledAtOnce
        return !fits(in: &left)
    }

    private func fits(in left: inout Int) -> Bool {
        // Brackets or quotes and a comma, so that a list of many empty values counts as long.
        left -= 3
        switch self {
        case .null, .bool: break
        case .number(let number): left -= number.digits.utf8.count
        case .string(let text): left -= text.utf8.count
        case .array(let elements): for element in elements where !element.fits(in: &left) { return false }
        case .object(let object):
            for member in object.members {
                left -= member.name.utf8.count
                guard member.value.fits(in: &left) else { return false }
            }
        }
        return left >= 0
    }

    /// The canonical form: members sorted by name, numbers in canonical digits.
    ///
    /// Two documents have the same canonical form if and only if they are equal by value. A null member differs from
    /// an absent one.
    package var canonical: JSONValue {
        switch self {
        case .null, .bool, .string: self
        case .number(let number): .number(JSONNumber(validated: number.canonicalDigits))
        case .array(let elements): .array(elements.map(\.canonical))
        case .object(let object):
            .object(
                JSONObject(
                    distinct: object.members.sorted { $0.name < $1.name }.map {
                        JSONObject.Member($0.name, $0.value.canonical)
                    }))
        }
    }

    /// Whether both are equal by value: numbers are compared by value, objects regardless of order.
    ///
    /// A null member counts as absent, because providers drop such members when they echo a request.
    package func isEquivalent(to other: JSONValue) -> Bool {
        switch (self, other) {
        case (.number(let left), .number(let right)):
            left.isEqualInValue(to: right)
        case (.array(let left), .array(let right)):
            left.count == right.count && zip(left, right).allSatisfy { $0.isEquivalent(to: $1) }
        case (.object(let left), .object(let right)):
            left.isCovered(by: right) && right.isCovered(by: left)
        default:
            self == other
        }
    }
}

extension JSONValue: ExpressibleByStringLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral,
    ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral, ExpressibleByNilLiteral
{
    package init(stringLiteral value: String) { self = .string(value) }
    package init(booleanLiteral value: Bool) { self = .bool(value) }
    package init(integerLiteral value: Int) { self = .number(JSONNumber(value)) }
    package init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
    package init(dictionaryLiteral elements: (String, JSONValue)...) { self = .object(JSONObject(literal: elements)) }
    package init(nilLiteral: ()) { self = .null }
}
