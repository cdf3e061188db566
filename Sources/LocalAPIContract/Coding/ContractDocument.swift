package import VerbatimJSON

/// ContractDocument is a JSON object of the socket, whose members ``code(_:)`` names once for reading and for writing.
///
/// `Codable` was not taken: it writes no null for a nil, gives no default to a member that a reader lacks, throws errors
/// without the contract's paths, and passes each member through an existential.
package protocol ContractDocument: MemberValue, Hashable {
    /// A document in which every member has its default.
    init()

    /// Passes every member to the coder, in the order in which it is written.
    ///
    /// A copy of the document is passed when it is written, so the members are unchanged then.
    mutating func code(_ coder: inout MemberCoder) throws(ContractError)

    /// Whether a program sends it: then an unknown member is refused, and a member that says nothing is not written.
    static var isRequest: Bool { get }
}

extension ContractDocument {
    package static var isRequest: Bool { false }

    /// Reads the document. The error names the member at fault.
    package init(json: JSONValue) throws(ContractError) {
        self = try Self.read(json, at: nil)
    }

    package static func read(_ json: JSONValue, at path: String?) throws(ContractError) -> Self {
        var coder = try MemberCoder(reading: json, at: path)
        if isRequest { try coder.refuseUnknown(besides: names) }
        var document = Self()
        try document.code(&coder)
        return document
    }

    /// The document as it is sent.
    package var json: JSONValue { .object(written(omittingEmpty: Self.isRequest)) }

    /// The names of all members, in order.
    static var names: [String] { Self().written(omittingEmpty: false).names }

    private func written(omittingEmpty: Bool) -> JSONObject {
        var copy = self
        var coder = MemberCoder(omittingEmpty: omittingEmpty)
        do throws(ContractError) {
            try copy.code(&coder)
        } catch {
            preconditionFailure("Writing a document cannot fail: \(error)")
        }
        return JSONObject(distinct: coder.written)
    }
}
