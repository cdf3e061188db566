package import VerbatimJSON

/// One thing that a task brought: where it stands in the provider's record, and what it is.
package struct TaskResult: Sendable, Hashable {
    /// What sort of thing it is.
    package enum Kind: String, Sendable, CaseIterable {
        /// An address from which it can be fetched, for as long as the provider keeps it.
        case url
        /// Words: lyrics, a description, a page.
        case text
        /// The provider's name for something it made: a voice, a persona, a character.
        case id
        /// The thing itself, in base64.
        case data
    }

    package let kind: Kind
    /// Where it stands in the record as it came.
    package let pointer: JSONPointer
    /// What stands there; null for `data` that is too large to be said twice.
    package let value: JSONValue
    /// By the ending of the address or the name of the member, not by looking: `image/png`, `video/*`; nil where
    /// neither tells.
    package let mediaType: String?
    /// How many bytes `data` holds once decoded.
    package let sizeInBytes: Int?

    package init(
        kind: Kind, pointer: JSONPointer, value: JSONValue, mediaType: String? = nil, sizeInBytes: Int? = nil
    ) {
        self.kind = kind
        self.pointer = pointer
        self.value = value
        self.mediaType = mediaType
        self.sizeInBytes = sizeInBytes
    }
}
