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

    /// An object that is not whole.
    var half: String? { objects.withLock { objects in objects.first { !$0.value.isWhole }?.key } }

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
        /// It commits a record before the file of its long value is synced.
        case commitsBeforeSync
        /// It removes the file of a long value that another record has.
        case removesUsedPart
        /// It leaves files of long values that no record has.
        case forgetsParts
    }

    let world: World
    let fault: Fault?
    let isDead: @Sendable () -> Bool

    var directory: String { "/artefacts" }

    func prepare(_ records: any ArtefactRecords) async throws(ArtefactFailure) {
        for digest in try await records.orphans(among: world.files.nameless) {
            try await step("remove \(digest.prefix(4))")
            world.files.remove(digest)
        }
        guard fault != .forgetsParts else { return }
        for digest in try await records.orphanParts(among: world.parts.digests) {
            try await removePart(digest) { () throws(ArtefactFailure) in
                try await records.orphanParts(among: [digest]).isEmpty
            } removed: {
            }
        }
    }

    func check() async throws(ArtefactFailure) {}

    func download(_ request: ArtefactRequest) async throws(ArtefactFailure) -> Artefact.Object {
        if let content = request.content { return try await link(content, as: request.name) }
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

    /// Makes the content of a record a file with a name.
    private func link(_ digest: String, as name: String) async throws(ArtefactFailure) -> Artefact.Object {
        try await step("link content \(digest.prefix(4))")
        guard world.parts.isSynced(digest) else { throw .later("The file of the record is missing.") }
        world.files.link(digest, isWhole: true)
        world.files.name(digest)
        return Artefact.Object(sha256: digest, size: 60, mediaType: "image/png", name: name + ".png")
    }

    func forget(_ id: Artefact.ID) {}

    func settle(_ object: Artefact.Object) {}

    func removePart(
        _ sha256: String, isUsed: @Sendable () async throws(ArtefactFailure) -> Bool,
        removed: @Sendable () async throws(ArtefactFailure) -> Void
    ) async throws(ArtefactFailure) {
        if fault == .forgetsParts { return try await removed() }
        guard world.parts.beginRemoval(sha256) else { throw .later("Its record is just being written.") }
        defer { world.parts.endRemoval(sha256) }
        if try await isUsed(), fault != .removesUsedPart { return }
        try await step("remove part \(sha256.prefix(4))")
        world.parts.remove(sha256)
        try await removed()
    }

    func remove(
        _ artefact: Artefact, _ object: Artefact.Object,
        isUsed: @Sendable () async throws(ArtefactFailure) -> Bool
    ) async throws(ArtefactFailure) {
        try await step("remove the name of \(object.sha256.suffix(4))")
        world.files.unname(object.sha256)
        if try await isUsed() { return }
        try await step("remove \(object.sha256.suffix(4))")
        world.files.remove(object.sha256)
    }

    func usage() async throws(ArtefactFailure) -> (used: Int64, quota: Int64) { (0, 0) }

    func file(of sha256: String) throws(ArtefactFailure) -> String? {
        world.files.contains(sha256) ? "/artefacts/objects/\(sha256)" : nil
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
