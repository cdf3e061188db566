import Synchronization
package import TaskStore

/// Files of records in memory.
package final class MemoryRecordFiles: RecordFiles {
    private struct State {
        var files: [String: [UInt8]] = [:]
        var held: [String: Int] = [:]
        var holds = 0
        var isBroken = false
    }

    private let state = Mutex(State())

    package init() {}

    /// The digests of all files.
    package var digests: Set<String> { state.withLock { Set($0.files.keys) } }
    /// The digests that must stay for now.
    package var unsettled: Set<String> { state.withLock { Set($0.held.filter { $0.value > 0 }.keys) } }
    package var isHeldForBackup: Bool { state.withLock { $0.holds > 0 } }

    /// Makes every call fail, as without the disk.
    package func fail(_ isBroken: Bool = true) { state.withLock { $0.isBroken = isBroken } }

    /// Replaces a file; nil removes it.
    package func put(_ bytes: [UInt8]?, as sha256: String) { state.withLock { $0.files[sha256] = bytes } }

    package func keep(_ bytes: [UInt8], as sha256: String) async throws(RecordFileFailure) {
        let isKept = state.withLock { state in
            guard !state.isBroken else { return false }
            state.files[sha256] = bytes
            state.held[sha256, default: 0] += 1
            return true
        }
        if !isKept { throw RecordFileFailure("The disk is not there.") }
    }

    package func settle(_ sha256: String) { state.withLock { $0.held[sha256, default: 0] -= 1 } }

    package func read(_ sha256: String) async throws(RecordFileFailure) -> [UInt8] { try readBlocking(sha256) }

    package func readBlocking(_ sha256: String) throws(RecordFileFailure) -> [UInt8] {
        guard let bytes = state.withLock({ $0.isBroken ? nil : $0.files[sha256] }) else {
            throw RecordFileFailure("The file \(sha256) is not there.")
        }
        return bytes
    }

    package func holdRemovals(_ isHeld: Bool) { state.withLock { $0.holds += isHeld ? 1 : -1 } }
}
