package import VerbatimJSON

/// A JSON object of the socket. ``code(_:)`` lists its members once for reading and for writing.
///
/// `Codable` does not fit. It writes no null for a nil, and gives no default to an absent member. Its errors lack the
/// contract's paths, and it passes each member through an existential.
package protocol ContractDocument: MemberValue, Hashable {
    /// Creates a document in which every member has its default.
    init()

    /// Passes every member to the coder, in written order.
    ///
    /// Writing uses a copy of the document, so the members stay unchanged.
    mutating func code(_ coder: inout MemberCoder) throws(ContractError)

    /// Whether programs send it. Then an unknown member is rejected, and an empty member is not written.
    static var isRequest: Bool { get }
}

extension ContractDocument {
    package static var isRequest: Bool { false }

    /// Reads the document. The error names the invalid member.
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

    /// The document as JSON.
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
