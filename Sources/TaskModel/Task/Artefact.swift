/// Artefact is the file behind the URL of a result, and how far it has been fetched.
package struct Artefact: Sendable, Hashable {
    /// The states of a file.
    package enum State: String, Sendable, CaseIterable {
        /// It is to be fetched.
        case waiting
        /// It is on disk.
        case saved
        /// It is on disk, and is to be removed from there.
        case removing
        /// It was on disk, and was removed: it was too old, made room, or its task was deleted.
        case removed
        /// No URL of it works any more.
        case gone
        /// It is not fetched: its URL or its contents are not what they should be.
        case refused
    }

    /// A file on disk.
    package struct Object: Sendable, Hashable {
        /// In hexadecimal digits.
        package let sha256: String
        package let size: Int64
        /// By the first bytes of the file; else what the server said.
        package let mediaType: String
        /// Its name for people, below the directory of the artefacts.
        package let name: String

        /// Whether it only names other files, which are not fetched: a playlist of HLS or DASH.
        package var isPlaylist: Bool {
            ["application/vnd.apple.mpegurl", "application/dash+xml"].contains(mediaType)
        }

        package init(sha256: String, size: Int64, mediaType: String, name: String) {
            self.sha256 = sha256
            self.size = size
            self.mediaType = mediaType
            self.name = name
        }
    }

    /// Which result of which task it is.
    package struct ID: Sendable, Hashable {
        package let task: TaskID
        /// The place among the results, from 0.
        package let ordinal: Int

        package init(task: TaskID, ordinal: Int) {
            self.task = task
            self.ordinal = ordinal
        }
    }

    package let id: ID
    /// Where it is fetched from next. Empty for content that a record has: see ``isContent``.
    package var url: String
    /// The host of the URL, with its port where that is not the usual one.
    package var host: String
    package var state: State
    /// How often it was tried to be fetched.
    package var attempts: Int
    /// When it is tried again while it is ``State/waiting``.
    package var nextAt: Timestamp
    /// When the URL stops working; nil if that is not known.
    package var expiresAt: Timestamp?
    /// Whether it waits for room on disk.
    package var lacksRoom = false
    /// The file, while it is on disk.
    package var object: Object?
    /// When it was saved.
    package var savedAt: Timestamp?
    /// When a client first had the whole file; nil if none had it.
    package var deliveredAt: Timestamp?
    /// Why the latest attempt failed, or why the file was removed; a sentence.
    package var error: String?

    /// Whether it is content that the record of the task has, which is in a file. It belongs to the record: neither its age
    /// nor a lack of room removes it.
    package var isContent: Bool { url.isEmpty }

    /// A file that is to be fetched at that time.
    package init(_ id: ID, url: String, host: String, expiresAt: Timestamp?, nextAt: Timestamp) {
        self.id = id
        self.url = url
        self.host = host
        state = .waiting
        attempts = 0
        self.nextAt = nextAt
        self.expiresAt = expiresAt
    }
}
