import Synchronization
import TaskStore

/// The files of long values of records. A crash leaves those that were synced, as a real disk does.
final class SimulatedParts: Sendable {
    private struct File {
        let bytes: [UInt8]
        var isSynced: Bool
    }

    private struct State {
        var files: [String: File] = [:]
        /// Files whose records are being written, and those that are being removed, in the current daemon.
        var held: [String: Int] = [:]
        var leaving: Set<String> = []
    }

    private let state = Mutex(State())

    /// The digests of all files.
    var digests: [String] { state.withLock { $0.files.keys.sorted() } }

    func isSynced(_ digest: String) -> Bool { state.withLock { $0.files[digest]?.isSynced ?? false } }

    func read(_ digest: String) throws(RecordFileFailure) -> [UInt8] {
        guard let file = state.withLock({ $0.files[digest] }) else { throw RecordFileFailure("\(digest) is missing.") }
        return file.bytes
    }

    func write(_ bytes: [UInt8], as digest: String) {
        state.withLock { state in
            if state.files[digest] == nil { state.files[digest] = File(bytes: bytes, isSynced: false) }
        }
    }

    func sync(_ digest: String) { state.withLock { $0.files[digest]?.isSynced = true } }

    func remove(_ digest: String) { state.withLock { _ = $0.files.removeValue(forKey: digest) } }

    func hold(_ digest: String) -> Bool {
        state.withLock { state in
            guard !state.leaving.contains(digest) else { return false }
            state.held[digest, default: 0] += 1
            return true
        }
    }

    func settle(_ digest: String) {
        state.withLock { state in
            let rest = (state.held[digest] ?? 1) - 1
            state.held[digest] = rest > 0 ? rest : nil
        }
    }

    func beginRemoval(_ digest: String) -> Bool {
        state.withLock { $0.held[digest] == nil && $0.leaving.insert(digest).inserted }
    }

    func endRemoval(_ digest: String) { state.withLock { _ = $0.leaving.remove(digest) } }

    /// Ends a daemon. A crash of the machine loses what was not synced.
    func crash() {
        state.withLock { state in
            state.files = state.files.filter(\.value.isSynced)
            (state.held, state.leaving) = ([:], [])
        }
    }
}

/// Writes long values in steps, each of which a crash may interrupt.
struct SimulatedRecordFiles: RecordFiles {
    let world: World
    let fault: SimulatedDownloads.Fault?
    let isDead: @Sendable () -> Bool

    func keep(_ bytes: [UInt8], as sha256: String) async throws(RecordFileFailure) {
        guard world.parts.hold(sha256) else { throw RecordFileFailure("It is just being removed.") }
        do throws(RecordFileFailure) {
            try await step("write part \(sha256.prefix(4))")
            if world.isDiskFull { throw RecordFileFailure("The disk is full.") }
            world.parts.write(bytes, as: sha256)
            if fault == .commitsBeforeSync { return }
            try await step("sync part \(sha256.prefix(4))")
            world.parts.sync(sha256)
        } catch {
            world.parts.settle(sha256)
            throw error
        }
    }

    func settle(_ sha256: String) { world.parts.settle(sha256) }

    func read(_ sha256: String) async throws(RecordFileFailure) -> [UInt8] { try world.parts.read(sha256) }

    func readBlocking(_ sha256: String) throws(RecordFileFailure) -> [UInt8] { try world.parts.read(sha256) }

    func holdRemovals(_ isHeld: Bool) {}

    private func step(_ words: String) async throws(RecordFileFailure) {
        await world.scheduler.park(words)
        if isDead() { throw RecordFileFailure("This daemon is dead.") }
        world.note(words)
    }
}
