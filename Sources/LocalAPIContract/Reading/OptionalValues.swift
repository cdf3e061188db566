import VerbatimJSON

// Answers say every field, with null where there is nothing to say, so that a reader can tell "none" from "not told".

extension JSONValue {
    init(_ text: String?) { self = text.map(JSONValue.string) ?? .null }

    init(_ number: Int?) { self = number.map { .number(JSONNumber($0)) } ?? .null }

    init(_ number: Double?) { self = number.flatMap { JSONNumber($0) }.map(JSONValue.number) ?? .null }

    /// Names in alphabetical order, so that equal labels are written alike.
    init(_ strings: [String: String]) {
        self = .object(JSONObject(strings.sorted { $0.key < $1.key }.map { ($0.key, .string($0.value)) }))
    }
}
