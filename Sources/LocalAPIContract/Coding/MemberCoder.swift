import Text
import VerbatimJSON

/// Reads or writes the members of one JSON object. The same calls pass the members in order.
///
/// When reading, null counts as absent, and an absent member keeps its value. When writing, the values stay unchanged.
package struct MemberCoder {
    /// The object to read; nil when a document is written.
    private let source: JSONObject?
    /// The members written so far, each name once.
    private(set) var written: [JSONObject.Member] = []
    private let omitsEmpty: Bool
    /// The prefix of a member's name in errors: empty, or `error.`.
    private let prefix: String

    /// Reads a document at `path`; nil for the outermost.
    init(reading json: JSONValue, at path: String? = nil) throws(ContractError) {
        guard case .object(let object) = json else {
            throw .wrongType(field: path, expected: "an object", found: json.kind)
        }
        source = object
        omitsEmpty = false
        prefix = path.map { $0 + "." } ?? ""
    }

    /// Writes a document. `omittingEmpty` omits null and empty objects.
    init(omittingEmpty: Bool) {
        source = nil
        omitsEmpty = omittingEmpty
        prefix = ""
        written.reserveCapacity(8)
    }

    /// The names in the object to read.
    var names: [String] { source?.names ?? [] }

    /// Rejects a document with an unknown member, and suggests the nearest known one.
    func refuseUnknown(besides known: [String]) throws(ContractError) {
        guard let stranger = names.first(where: { !known.contains($0) }) else { return }
        throw .unknownField(stranger, nearest: NearestName.of(stranger, among: known))
    }

    /// Codes a member that may be absent. `check` runs on a value that was read, with the member's name.
    mutating func member<Value: MemberValue>(
        _ name: String, _ value: inout Value, _ check: (Value, String) throws(ContractError) -> Void = { _, _ in }
    ) throws(ContractError) {
        guard source != nil else { return write(name, value.json) }
        guard let found = try read(name, as: Value.self) else { return }
        try check(found, name)
        value = found
    }

    /// Codes a member that may be absent or null.
    mutating func member<Value: MemberValue>(
        _ name: String, _ value: inout Value?, _ check: (Value, String) throws(ContractError) -> Void = { _, _ in }
    ) throws(ContractError) {
        guard source != nil else { return write(name, value?.json ?? .null) }
        guard let found = try read(name, as: Value.self) else { return }
        try check(found, name)
        value = found
    }

    /// Codes a required member.
    mutating func required<Value: MemberValue>(
        _ name: String, _ value: inout Value, _ check: (Value, String) throws(ContractError) -> Void = { _, _ in }
    ) throws(ContractError) {
        guard source != nil else { return written.append(.init(name, value.json)) }
        guard let found = try read(name, as: Value.self) else { throw .missingField(prefix + name) }
        try check(found, name)
        value = found
    }

    /// Codes a required list of documents. Errors name members of an element as the element does.
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

    /// Codes the members that no earlier call has named, after all others.
    mutating func others(_ others: inout JSONObject, besides known: [String]) {
        guard let source else {
            written += others.members.filter { !known.contains($0.name) }
            return
        }
        others = JSONObject(distinct: source.members.filter { !known.contains($0.name) })
    }

    /// Reads a member; nil if it is absent or null.
    func read<Value: MemberValue>(_ name: String, as type: Value.Type) throws(ContractError) -> Value? {
        guard let json = source?[name], !json.isNull else { return nil }
        return try Value.read(json, at: prefix + name)
    }

    private mutating func write(_ name: String, _ json: JSONValue) {
        if omitsEmpty, json.isNull || json.object?.isEmpty ?? false { return }
        written.append(.init(name, json))
    }
}
