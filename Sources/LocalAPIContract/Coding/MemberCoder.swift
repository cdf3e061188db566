import Text
import VerbatimJSON

/// MemberCoder reads or writes the members of one JSON object, as the same calls pass them in order.
///
/// When it reads, null counts as absent, and an absent member keeps the value that it has. When it writes, the values stay
/// as they are.
package struct MemberCoder {
    /// The object that is read; nil when a document is written.
    private let source: JSONObject?
    /// The members that are written so far, each name once.
    private(set) var written: [JSONObject.Member] = []
    private let omitsEmpty: Bool
    /// What stands before a member's name in errors: empty, or `error.`.
    private let prefix: String

    /// Reads a document that stands at `path`; nil for the outermost.
    init(reading json: JSONValue, at path: String? = nil) throws(ContractError) {
        guard case .object(let object) = json else {
            throw .wrongType(field: path, expected: "an object", found: json.kind)
        }
        source = object
        omitsEmpty = false
        prefix = path.map { $0 + "." } ?? ""
    }

    /// Writes a document; `omittingEmpty` leaves out null and empty objects.
    init(omittingEmpty: Bool) {
        source = nil
        omitsEmpty = omittingEmpty
        prefix = ""
        written.reserveCapacity(8)
    }

    /// The names in the object that is read.
    var names: [String] { source?.names ?? [] }

    /// Refuses a document with a member of another name, and suggests the nearest known one.
    func refuseUnknown(besides known: [String]) throws(ContractError) {
        guard let stranger = names.first(where: { !known.contains($0) }) else { return }
        throw .unknownField(stranger, nearest: NearestName.of(stranger, among: known))
    }

    /// A member that may be absent. `check` runs on a value that was read, with the member's name.
    mutating func member<Value: MemberValue>(
        _ name: String, _ value: inout Value, _ check: (Value, String) throws(ContractError) -> Void = { _, _ in }
    ) throws(ContractError) {
        guard source != nil else { return write(name, value.json) }
        guard let found = try read(name, as: Value.self) else { return }
        try check(found, name)
        value = found
    }

    /// A member that may be absent or say nothing: null.
    mutating func member<Value: MemberValue>(
        _ name: String, _ value: inout Value?, _ check: (Value, String) throws(ContractError) -> Void = { _, _ in }
    ) throws(ContractError) {
        guard source != nil else { return write(name, value?.json ?? .null) }
        guard let found = try read(name, as: Value.self) else { return }
        try check(found, name)
        value = found
    }

    /// A member that must be there.
    mutating func required<Value: MemberValue>(
        _ name: String, _ value: inout Value, _ check: (Value, String) throws(ContractError) -> Void = { _, _ in }
    ) throws(ContractError) {
        guard source != nil else { return written.append(.init(name, value.json)) }
        guard let found = try read(name, as: Value.self) else { throw .missingField(prefix + name) }
        try check(found, name)
        value = found
    }

    /// A list of whole documents, which must be there; errors name members of an element as the element itself does.
    mutating func documents<Document: ContractDocument>(
        _ name: String, _ documents: inout [Document]
    ) throws(ContractError) {
        guard source != nil else { return written.append(.init(name, documents.json)) }
        guard let list = try read(name, as: JSONValue.self) else { throw .missingField(prefix + name) }
        guard case .array(let elements) = list else {
            throw .wrongType(field: prefix + name, expected: "an array", found: list.kind)
        }
        documents = try [Document].read(elements, at: nil)
    }

    /// The members that no call before has named, behind all others.
    mutating func others(_ others: inout JSONObject, besides known: [String]) {
        guard let source else {
            written += others.members.filter { !known.contains($0.name) }
            return
        }
        others = JSONObject(distinct: source.members.filter { !known.contains($0.name) })
    }

    /// The member as it was read; nil where it is absent or null.
    func read<Value: MemberValue>(_ name: String, as type: Value.Type) throws(ContractError) -> Value? {
        guard let json = source?[name], !json.isNull else { return nil }
        return try Value.read(json, at: prefix + name)
    }

    private mutating func write(_ name: String, _ json: JSONValue) {
        if omitsEmpty, json.isNull || json.object?.isEmpty ?? false { return }
        written.append(.init(name, json))
    }
}
