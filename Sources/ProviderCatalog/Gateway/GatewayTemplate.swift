import TaskModel
import Text
import VerbatimJSON

/// A document with places that a task fills in. A text that is one place becomes its value, whatever its type.
struct GatewayTemplate: Sendable, Hashable {
    private let document: JSONValue

    /// Checks the places; the error names the first that is unknown.
    init(_ document: JSONValue) throws(UnknownPlace) {
        self.document = document
        try Self.check(document)
    }

    struct UnknownPlace: Error {
        let text: String
    }

    static let places = [
        "id", "gateway", "created_at", "created_seconds", "ended_at", "ended_seconds", "error.code", "error.message",
        "request", "record",
    ]

    /// A text with `{id}` and the part of every id gives our id the provider's form; its own has that already.
    func filled(for task: GatewayTask, idPart: String? = nil) -> JSONValue {
        let hasForm = idPart.map { task.id.text.contains($0) } ?? false
        return filled(document) { text in
            guard hasForm, let idPart, text.contains(idPart), text.contains("{id}") else { return nil }
            return .string(task.id.text)
        } place: {
            Self.value($0, of: task)
        }
    }

    /// Fills in an error alone.
    func filled(code: String, message: String) -> JSONValue {
        let values: [String: JSONValue] = ["error.code": .string(code), "error.message": .string(message)]
        return filled(document) { _ in
            nil
        } place: {
            values[$0]
        }
    }

    private static func value(_ place: String, of task: GatewayTask) -> JSONValue? {
        switch place {
        case "id": .string(task.id.text)
        case "gateway": .string(task.address)
        case "created_at": .string(task.createdAt.rfc3339)
        case "created_seconds": .number(JSONNumber(Int64(task.createdAt.unixSeconds)))
        case "ended_at": task.endedAt.map { .string($0.rfc3339) }
        case "ended_seconds": task.endedAt.map { .number(JSONNumber(Int64($0.unixSeconds))) }
        case "error.code": if case .failed(let failure) = task.phase { .string(failure.code) } else { nil }
        case "error.message": if case .failed(let failure) = task.phase { .string(failure.message) } else { nil }
        case "request": .object(task.request)
        case "record": task.record
        default: task.request[String(place.dropFirst("request.".count))]
        }
    }

    private func filled(
        _ value: JSONValue, whole: (String) -> JSONValue?, place: (String) -> JSONValue?
    ) -> JSONValue {
        switch value {
        case .string(let text):
            if let known = whole(text) { return known }
            guard let template = Template(text) else { return value }
            if case .place(let name, _) = template.pieces.first, template.pieces.count == 1 {
                return place(name) ?? .null
            }
            return .string(template.plain { place($0).flatMap(DeclaredDialect.text) ?? "" } ?? text)
        case .array(let elements): return .array(elements.map { filled($0, whole: whole, place: place) })
        case .object(let object):
            return .object(JSONObject(object.members.map { ($0.name, filled($0.value, whole: whole, place: place)) }))
        case .null, .bool, .number: return value
        }
    }

    private static func check(_ value: JSONValue) throws(UnknownPlace) {
        switch value {
        case .string(let text):
            guard let template = Template(text) else { throw UnknownPlace(text: text) }
            for name in template.names where !places.contains(name) && !name.hasPrefix("request.") {
                throw UnknownPlace(text: text)
            }
        case .array(let elements): for element in elements { try check(element) }
        case .object(let object): for member in object.members { try check(member.value) }
        case .null, .bool, .number: break
        }
    }
}

extension Template {
    /// The values with which the template gives that text; nil where none do. The text is escaped as in an address.
    func values(in text: String) -> [String: String]? { Self.values(of: pieces[...], in: text[...]) }

    /// How much of it is literal: the more, the more specific is a match.
    var literalLength: Int {
        pieces.reduce(0) { sum, piece in if case .text(let text) = piece { sum + text.utf8.count } else { sum } }
    }

    private static func values(of pieces: ArraySlice<Piece>, in text: Substring) -> [String: String]? {
        guard let piece = pieces.first else { return text.isEmpty ? [:] : nil }
        let rest = pieces.dropFirst()
        switch piece {
        case .text(let literal):
            guard text.hasPrefix(literal) else { return nil }
            return values(of: rest, in: text.dropFirst(literal.count))
        case .place(let name, let keepsSlashes):
            let longest = keepsSlashes ? text : text.prefix { $0 != "/" }
            // The last place takes all that is left; others end where the next literal can begin.
            var end = longest.endIndex
            while end > text.startIndex {
                if var values = values(of: rest, in: text[end...]), let value = String(text[..<end]).percentDecoded {
                    values[name] = value
                    return values
                }
                end = text.index(before: end)
            }
            return nil
        }
    }
}
