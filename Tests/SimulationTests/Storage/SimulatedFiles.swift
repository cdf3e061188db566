import Synchronization
import TaskEngine
import TaskModel

/// The directory of the files of results. It survives crashes as a real one does: what was synced and linked stays.
final class SimulatedFiles: Sendable {
    private struct Object {
        var isWhole: Bool
        var isNamed = false
    }

    private let objects = Mutex<[String: Object]>([:])

    /// Whether there is a whole object with that digest.
    func hasWhole(_ digest: String) -> Bool { objects.withLock { $0[digest]?.isWhole ?? false } }

    func contains(_ digest: String) -> Bool { objects.withLock { $0[digest] != nil } }

    func link(_ digest: String, isWhole: Bool) {
        objects.withLock { objects in
            // A link does not replace what is there.
            if objects[digest] == nil { objects[digest] = Object(isWhole: isWhole) }
        }
    }

    func complete(_ digest: String) { objects.withLock { $0[digest]?.isWhole = true } }

    func name(_ digest: String) { objects.withLock { $0[digest]?.isNamed = true } }

    func unname(_ digest: String) { objects.withLock { $0[digest]?.isNamed = false } }

    /// The digests of objects without a name.
    var nameless: [String] { objects.withLock { $0.filter { !$0.value.isNamed }.keys.sorted() } }

    func remove(_ digest: String) { objects.withLock { _ = $0.removeValue(forKey: digest) } }
}

/// Downloads in small steps, each of which a crash may interrupt, and some of which fail.
struct SimulatedDownloads: ArtefactDownloads {
    /// What a broken Pollux does wrong.
    enum Fault: Sendable {
        /// It links the object and its name before its contents are there.
        case linksEarly
        /// It reports a file whose object it never links.
        case forgetsObject
    }

    let world: World
    let fault: Fault?
    let isDead: @Sendable () -> Bool

    var directory: String { "/artefacts" }

    func prepare(
        orphans: @Sendable ([String]) async throws(ArtefactFailure) -> [String]
    ) async throws(ArtefactFailure) {
        for digest in try await orphans(world.files.nameless) {
            try await step("remove \(digest.prefix(4))")
            world.files.remove(digest)
        }
    }

    func download(_ request: ArtefactRequest) async throws(ArtefactFailure) -> Artefact.Object {
        let digest = Self.digest(of: request.url)
        let object = Artefact.Object(sha256: digest, size: 4, mediaType: "image/png", name: request.name + ".png")
        try await step("download \(request.url)")
        switch world.downloadFault {
        case 1: throw .later("The server answered HTTP 502.")
        case 2: throw .expired("The server answered HTTP 403.")
        case 3: throw .unfit("The server sent text/html in place of image/png.")
        case 4: throw .noRoom("artefacts.quota", missing: 4)
        default: break
        }
        if fault == .forgetsObject { return object }
        if fault == .linksEarly, !world.files.contains(digest) {
            world.files.link(digest, isWhole: false)
            world.files.name(digest)
            try await step("write after the link")
            world.files.complete(digest)
        }
        // The draft of a crash is gone.
        try await step("write")
        world.files.link(digest, isWhole: true)
        try await step("link the object")
        world.files.name(digest)
        try await step("link the name")
        return object
    }

    func forget(_ id: Artefact.ID) {}

    func settle(_ object: Artefact.Object) {}

    func remove(
        _ object: Artefact.Object, isUsed: @Sendable () async throws(ArtefactFailure) -> Bool
    ) async throws(ArtefactFailure) {
        try await step("remove the name of \(object.sha256.suffix(4))")
        world.files.unname(object.sha256)
        if try await isUsed() { return }
        try await step("remove \(object.sha256.suffix(4))")
        world.files.remove(object.sha256)
    }

    func usage() async throws(ArtefactFailure) -> (used: Int64, quota: Int64) { (0, 0) }

    func file(of sha256: String) -> (path: String, exists: Bool) {
        ("/artefacts/objects/\(sha256)", world.files.contains(sha256))
    }

    /// Lets the director interrupt; a dead daemon does nothing more.
    private func step(_ words: String) async throws(ArtefactFailure) {
        await world.scheduler.park(words)
        if isDead() { throw .cancelled }
        world.note(words)
    }

    private static func digest(of url: String) -> String {
        let digits = url.utf8.map { String($0 % 16, radix: 16) }.suffix(64).joined()
        return String(repeating: "0", count: 64 - digits.count) + digits
    }
}
