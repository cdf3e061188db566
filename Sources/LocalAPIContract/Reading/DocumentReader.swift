import Text
import VerbatimJSON

/// Takes the fields out of one JSON object and names the field at fault; null counts as absent.
struct DocumentReader {
    private let object: JSONObject
    private let path: String

    /// Reads an answer: fields that this version does not know are ignored.
    init(_ json: JSONValue, at path: String? = nil) throws(ContractError) {
        guard case .object(let object) = json else {
            throw .wrongType(field: path, expected: "an object", found: json.kind)
        }
        self.object = object
        self.path = path.map { $0 + "." } ?? ""
    }

    /// Reads a request: a field that is not among the known ones is refused.
    init(_ json: JSONValue, knowing known: [String]) throws(ContractError) {
        try self.init(json)
        if let stranger = object.names.first(where: { !known.contains($0) }) {
            throw .unknownField(stranger, nearest: NearestName.of(stranger, among: known))
        }
    }

    /// The value as it is; nil where absent or null.
    func value(_ name: String) -> JSONValue? {
        guard let value = object[name], !value.isNull else { return nil }
        return value
    }

    func string(_ name: String) throws(ContractError) -> String? {
        try read(name, as: "a string", \.string)
    }

    func bool(_ name: String) throws(ContractError) -> Bool? {
        try read(name, as: "a Boolean", \.bool)
    }

    func integer(_ name: String) throws(ContractError) -> Int? {
        try read(name, as: "a whole number") { $0.number?.integer.flatMap { Int(exactly: $0) } }
    }

    func number(_ name: String) throws(ContractError) -> Double? {
        try read(name, as: "a number") { $0.number?.double }
    }

    func array(_ name: String) throws(ContractError) -> [JSONValue]? {
        try read(name, as: "an array", \.array)
    }

    func object(_ name: String) throws(ContractError) -> JSONObject? {
        try read(name, as: "an object", \.object)
    }

    /// The members of an object that holds nothing but strings.
    func strings(_ name: String) throws(ContractError) -> [String: String]? {
        guard let object = try object(name) else { return nil }
        var strings: [String: String] = [:]
        for member in object.members {
            guard case .string(let text) = member.value else {
                throw .wrongType(
                    field: "\(path)\(name).\(member.name)", expected: "a string", found: member.value.kind)
            }
            strings[member.name] = text
        }
        return strings
    }

    /// The members of an object that holds nothing but whole numbers.
    func counts() throws(ContractError) -> [String: Int] {
        var counts: [String: Int] = [:]
        for name in object.names { counts[name] = try integer(name) }
        return counts
    }

    /// The elements, each read as a document; the error names the element.
    func documents<Document>(
        _ name: String, _ read: (JSONValue) throws(ContractError) -> Document
    ) throws(ContractError) -> [Document] {
        var documents: [Document] = []
        for element in try required(name, array) { documents.append(try read(element)) }
        return documents
    }

    /// A nested object, read with a reader of its own.
    func nested<Document>(
        _ name: String, _ read: (DocumentReader) throws(ContractError) -> Document
    ) throws(ContractError) -> Document? {
        guard let value = value(name) else { return nil }
        return try read(DocumentReader(value, at: path + name))
    }

    /// The field, which must be there.
    func required<Value>(
        _ name: String, _ read: (String) throws(ContractError) -> Value?
    ) throws(ContractError) -> Value {
        guard let value = try read(name) else { throw .missingField(path + name) }
        return value
    }

    private func read<Value>(
        _ name: String, as expected: String, _ convert: (JSONValue) -> Value?
    ) throws(ContractError) -> Value? {
        guard let value = value(name) else { return nil }
        guard let converted = convert(value) else {
            throw .wrongType(field: path + name, expected: expected, found: value.kind)
        }
        return converted
    }
}
