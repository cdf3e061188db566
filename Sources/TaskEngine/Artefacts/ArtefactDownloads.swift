package import ProviderCatalog
package import TaskModel

/// Fetches the files of results and keeps them on disk.
package protocol ArtefactDownloads: Sendable {
    /// Makes the directories, and removes what a crash left: unfinished files, whole ones without a name that no result has,
    /// and long values that no record has.
    ///
    /// Call it before the first download. Throws a sentence.
    func prepare(_ records: any ArtefactRecords) async throws(ArtefactFailure)
    /// Throws unless the directory is still the one that was prepared.
    func check() async throws(ArtefactFailure)
    /// Fetches one file. The object is whole and on disk when the call returns, and stays at least until ``settle(_:)``.
    ///
    /// After a failure the next download of the same file may go on where this one ended.
    func download(_ request: ArtefactRequest) async throws(ArtefactFailure) -> Artefact.Object
    /// Lets a downloaded object be removed again. Call it once after each download, when its result is stored or not.
    func settle(_ object: Artefact.Object)
    /// Removes the name of an artefact's object, and the object unless `isUsed` says that another result has it.
    ///
    /// What is gone already is no failure. Throws if a download has just brought the same contents.
    func remove(
        _ artefact: Artefact, _ object: Artefact.Object,
        isUsed: @Sendable () async throws(ArtefactFailure) -> Bool
    ) async throws(ArtefactFailure)
    /// Removes the file of a long value unless `isUsed` says that a record has it, then calls `removed`.
    func removePart(
        _ sha256: String, isUsed: @Sendable () async throws(ArtefactFailure) -> Bool,
        removed: @Sendable () async throws(ArtefactFailure) -> Void
    ) async throws(ArtefactFailure)
    /// Removes what was kept of an unfinished download.
    func forget(_ id: Artefact.ID)
    /// The path of the object with that digest; nil if it is missing. Throws if that cannot be seen.
    func file(of sha256: String) throws(ArtefactFailure) -> String?
    /// The directory of all files.
    var directory: String { get }
    /// How many bytes all files have, and how many they may have.
    func usage() async throws(ArtefactFailure) -> (used: Int64, quota: Int64)
}

/// What is to be fetched, and by which rules.
package struct ArtefactRequest: Sendable {
    package let id: Artefact.ID
    package let url: String
    /// The account that submitted the task. Its token goes along where one is due.
    package let account: ProviderAccount
    /// The provider's own hosts. The addresses of all others are checked.
    package let hosts: HostAllowlist
    /// Whether the token goes along to the provider's own host.
    package let needsToken: Bool
    /// What the file should be, as far as the result shows it: `image/png`, `video/*`.
    package let promisedType: String?
    /// Its name for people below the directory of the artefacts, without an ending.
    package let name: String
    /// The largest file that is fetched.
    package let maxBytes: Int64
    /// The SHA-256 of content that a record has. Then nothing is fetched.
    package var content: String?

    package init(
        id: Artefact.ID, url: String, account: ProviderAccount, hosts: HostAllowlist, needsToken: Bool = false,
        promisedType: String? = nil, name: String, maxBytes: Int64
    ) {
        self.id = id
        self.url = url
        self.account = account
        self.hosts = hosts
        self.needsToken = needsToken
        self.promisedType = promisedType
        self.name = name
        self.maxBytes = maxBytes
    }
}

/// Why a file was not fetched; the text is a sentence.
package enum ArtefactFailure: Error, Sendable, Hashable {
    /// It may work later, no sooner than after that time, if one is given.
    case later(String, after: Duration? = nil)
    /// The URL does not work any more (HTTP 401, 403, 404 or 410).
    case expired(String)
    /// What came is not the file. It may have been an accident.
    case unfit(String)
    /// It must not be fetched.
    case forbidden(String)
    /// The directory of the files cannot be used at the moment, which says nothing about the file.
    case storage(String)
    /// There is no room on disk; so many bytes are missing.
    case noRoom(String, missing: Int64 = 0)
    /// The daemon stops.
    case cancelled

    package var message: String {
        switch self {
        case .later(let text, _), .expired(let text), .unfit(let text), .forbidden(let text), .storage(let text),
            .noRoom(let text, _):
            text
        case .cancelled: "The daemon stopped."
        }
    }
}

/// What the database knows about files on disk.
package protocol ArtefactRecords: Sendable {
    /// The id of the directory in which the files are; nil if none was used yet.
    func directoryID() async throws(ArtefactFailure) -> String?
    func put(directoryID: String) async throws(ArtefactFailure)
    /// Whether any file should be in the directory.
    func hasFiles() async throws(ArtefactFailure) -> Bool
    /// Which of these digests no result has.
    func orphans(among digests: [String]) async throws(ArtefactFailure) -> [String]
    /// Which of these digests no record has.
    func orphanParts(among digests: [String]) async throws(ArtefactFailure) -> [String]
}
