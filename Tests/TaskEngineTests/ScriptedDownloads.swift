import Synchronization
import TaskEngine
import TaskModel

/// Downloads that a test plays.
final class ScriptedDownloads: ArtefactDownloads {
    typealias Script = @Sendable (ArtefactRequest) async throws(ArtefactFailure) -> Artefact.Object

    private struct State {
        var script: Script
        var requests: [ArtefactRequest] = []
        var forgotten: [Artefact.ID] = []
        var missing: Set<String> = []
        var preparations = 0
        var settled: [String] = []
        var removed: [String] = []
        var removedParts: [String] = []
        /// Why the directory cannot be used.
        var problem: ArtefactFailure?
        /// The file that cannot be removed.
        var stuck: String?
    }

    private let state: Mutex<State>

    init(_ script: @escaping Script = { ScriptedDownloads.object($0.url) }) {
        state = Mutex(State(script: script))
    }

    var directory: String { "/artefacts" }
    var requests: [ArtefactRequest] { state.withLock { $0.requests } }
    var urls: [String] { requests.map(\.url) }
    var forgotten: [Artefact.ID] { state.withLock { $0.forgotten } }
    var preparations: Int { state.withLock { $0.preparations } }

    var settled: [String] { state.withLock { $0.settled } }
    var removedParts: [String] { state.withLock { $0.removedParts } }
    /// The names that were removed, then the objects.
    var removed: [String] { state.withLock { $0.removed } }

    func play(_ script: @escaping Script) { state.withLock { $0.script = script } }
    func lose(_ sha256: String) { state.withLock { _ = $0.missing.insert(sha256) } }

    /// Makes the removal of that file fail.
    func hold(_ sha256: String?) { state.withLock { $0.stuck = sha256 } }

    func fail(_ problem: ArtefactFailure?) { state.withLock { $0.problem = problem } }

    func prepare(_ records: any ArtefactRecords) async throws(ArtefactFailure) {
        state.withLock { $0.preparations += 1 }
        try await check()
    }

    func check() async throws(ArtefactFailure) { if let problem = state.withLock({ $0.problem }) { throw problem } }

    func download(_ request: ArtefactRequest) async throws(ArtefactFailure) -> Artefact.Object {
        let script = state.withLock { state in
            state.requests.append(request)
            return state.script
        }
        return try await script(request)
    }

    func settle(_ object: Artefact.Object) { state.withLock { $0.settled.append(object.sha256) } }

    func removePart(
        _ sha256: String, isUsed: @Sendable () async throws(ArtefactFailure) -> Bool,
        removed: @Sendable () async throws(ArtefactFailure) -> Void
    ) async throws(ArtefactFailure) {
        if try await isUsed() { return }
        if state.withLock({ $0.stuck == sha256 }) { throw .storage("It is busy.") }
        state.withLock { $0.removedParts.append(sha256) }
        try await removed()
    }

    func remove(
        _ artefact: Artefact, _ object: Artefact.Object,
        isUsed: @Sendable () async throws(ArtefactFailure) -> Bool
    ) async throws(ArtefactFailure) {
        let isShared = try await isUsed()
        if state.withLock({ $0.stuck == object.sha256 }) { throw .storage("It is busy.") }
        state.withLock { state in
            state.removed.append(object.name)
            if !isShared { state.removed.append(object.sha256) }
        }
    }

    func usage() async throws(ArtefactFailure) -> (used: Int64, quota: Int64) {
        try await check()
        return (7, 70)
    }

    func forget(_ id: Artefact.ID) { state.withLock { $0.forgotten.append(id) } }

    func file(of sha256: String) throws(ArtefactFailure) -> String? {
        if let problem = state.withLock({ $0.problem }) { throw problem }
        return state.withLock { $0.missing.contains(sha256) } ? nil : "/artefacts/objects/\(sha256)"
    }

    /// A file that follows from the URL.
    static func object(_ url: String) -> Artefact.Object {
        let digits = url.utf8.map { String($0 % 16, radix: 16) }.suffix(64).joined()
        return Artefact.Object(
            sha256: String(repeating: "0", count: 64 - digits.count) + digits, size: 7, mediaType: "image/png",
            name: "by-task/x.png")
    }
}
