import Synchronization
import TaskEngine

/// What a test's database knows of files.
final class ScriptedRecords: ArtefactRecords {
    private let stored: Mutex<String?>

    private let hasSaved: Bool
    /// Whether no result and no record has any file.
    private let knowsNothing: Bool

    init(id: String? = nil, hasFiles: Bool = false, knowsNothing: Bool = false) {
        stored = Mutex(id)
        hasSaved = hasFiles
        self.knowsNothing = knowsNothing
    }

    var id: String? { stored.withLock { $0 } }

    func directoryID() async throws(ArtefactFailure) -> String? { id }
    func put(directoryID: String) async throws(ArtefactFailure) { stored.withLock { $0 = directoryID } }
    func hasFiles() async throws(ArtefactFailure) -> Bool { hasSaved }

    func orphans(among digests: [String]) async throws(ArtefactFailure) -> [String] { knowsNothing ? digests : [] }

    func orphanParts(among digests: [String]) async throws(ArtefactFailure) -> [String] { knowsNothing ? digests : [] }
}
