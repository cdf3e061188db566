package import VerbatimJSON

/// A result of a task, with its position in the provider's record.
package struct TaskResult: Sendable, Hashable {
    /// The kind of a result.
    package enum Kind: String, Sendable, CaseIterable {
        /// A URL to fetch it from, while the provider keeps it.
        case url
        /// Text: lyrics, a description, a page.
        case text
        /// The provider's id of something it made: a voice, a persona, a character.
        case id
        /// The content itself in base64.
        case data
    }

    package let kind: Kind
    /// Its position in the provider's record.
    package let pointer: JSONPointer
    /// The value; null for `data` that is too large to repeat.
    package let value: JSONValue
    /// The media type, guessed from the URL's extension or the member's name: `image/png`, `video/*`; nil if neither
    /// shows it.
    package let mediaType: String?
    /// The decoded size of `data`.
    package let sizeInBytes: Int?
    /// The file behind a URL, or of the content; nil if there is none.
    package var artefact: Artefact?
    /// The SHA-256 of the content, where the record keeps it in a file; nil if it does not.
    package var content: String?

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
