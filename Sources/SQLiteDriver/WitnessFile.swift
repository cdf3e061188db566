import Crypto
import Dispatch
import FileIdentity
import FoundationEssentials
import Synchronization
import TaskModel
package import TaskStore

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Stores the witness in a file with two slots of 512 bytes with checksums. They are written in turn, so one is always
/// complete.
package final class WitnessFile: Witness {
    private let path: String
    private struct Progress {
        /// Whether the latest statement may not be on disk.
        var isUnsynced = false
        /// The number of the slot that is on disk; nil before the first write. A refresh never overwrites it.
        var synced: Int?
    }

    private let progress = Mutex(Progress())
    /// Writes block, so they run on a separate thread.
    private let queue = DispatchQueue(label: "pollux.witness")

    private static let slotSize = 512

    /// Creates the witness in that state directory.
    package init(in directory: String) { path = directory + "/witness" }

    /// Removes the witness, for a new database that replaces a missing one.
    package func remove() { unlink(path) }

    // MARK: Reading

    package func read() -> WitnessStatement? {
        guard let slot = latestSlot() else { return nil }
        var statement = slot.statement
        statement.isOriginal = slot.file.isSame(as: FileIdentity(of: path))
        return statement
    }

    private struct Slot {
        let number: Int
        let file: FileIdentity
        let statement: WitnessStatement
    }

    private func latestSlot() -> Slot? {
        guard let bytes = FileManager.default.contents(atPath: path) else { return nil }
        return stride(from: 0, to: bytes.count, by: Self.slotSize).compactMap { start in
            Self.slot(String(decoding: bytes.dropFirst(start).prefix(Self.slotSize), as: UTF8.self))
        }.max { $0.number < $1.number }
    }

    private static func slot(_ text: String) -> Slot? {
        let line = text.prefix { $0 != "\n" }
        let words = line.split(separator: " ")
        guard words.count == 8, words[0] == "pollux-witness-1",
            words[7] == checksum(words.dropLast().joined(separator: " ")),
            let number = Int(words[1]), let sequence = Int64(words[3]), let inode = UInt64(words[4]),
            let created = Int64(words[5]), let at = Int64(words[6])
        else { return nil }
        return Slot(
            number: number, file: FileIdentity(inode: inode, created: created),
            statement: WitnessStatement(
                epoch: String(words[2]), sequence: sequence, at: Timestamp(milliseconds: at)))
    }

    private static func checksum(_ text: String) -> String {
        SHA256.hash(data: Array(text.utf8)).prefix(16).map { byte in
            String(UInt16(byte) + 256, radix: 16).dropFirst()
        }.joined()
    }

    // MARK: Writing

    package func write(_ statement: WitnessStatement) async throws(TaskStoreError) {
        let result = await withCheckedContinuation { continuation in
            queue.async { continuation.resume(returning: self.writeNow(statement)) }
        }
        if let error = result { throw error }
    }

    package func refresh(_ statement: WitnessStatement) async {
        await withCheckedContinuation { continuation in
            queue.async {
                let present = self.read()
                // Before the first write, and after one that failed, nothing is known to be on disk.
                if self.isSynced, present?.epoch == statement.epoch, present?.sequence == statement.sequence {
                    _ = self.put(statement, waiting: false)
                }
                continuation.resume()
            }
        }
    }

    private func writeNow(_ statement: WitnessStatement) -> TaskStoreError? {
        var statement = statement
        // Writes of attempts that start together may arrive in any order.
        if let present = read(), present.isOriginal, present.epoch == statement.epoch,
            present.sequence >= statement.sequence
        {
            if isSynced { return nil }
            statement.sequence = present.sequence
        }
        return put(statement, waiting: true)
    }

    private var isSynced: Bool { progress.withLock { $0.synced != nil && !$0.isUnsynced } }

    /// Writes the slot that is not known to be on disk.
    private func put(_ statement: WitnessStatement, waiting: Bool) -> TaskStoreError? {
        let isNew = access(path, F_OK) != 0
        // An existing file that cannot be read stays unchanged.
        if !isNew, FileManager.default.contents(atPath: path) == nil {
            return .failed("the file \(path) cannot be read")
        }
        let file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
        guard file >= 0 else { return error() }
        defer { close(file) }
        let synced: Int
        if let known = progress.withLock({ $0.synced }) {
            synced = known
        } else {
            // A killed daemon may not have waited for the latest slot.
            guard fdatasync(file) == 0 else { return error() }
            synced = latestSlot()?.number ?? 0
            progress.withLock { $0.synced = synced }
        }
        let number = synced + 1
        let identity = FileIdentity(of: path)
        let text =
            "pollux-witness-1 \(number) \(statement.epoch) \(statement.sequence) \(identity.inode) \(identity.created) "
            + "\(statement.at.milliseconds)"
        var bytes = Array("\(text) \(Self.checksum(text))\n".utf8)
        bytes += repeatElement(UInt8(ascii: " "), count: max(Self.slotSize - bytes.count, 0))
        let place = off_t(number % 2 * Self.slotSize)
        guard waiting else { return pwrite(file, bytes, bytes.count, place) == bytes.count ? nil : error() }
        progress.withLock { $0.isUnsynced = true }
        guard pwrite(file, bytes, bytes.count, place) == bytes.count, fdatasync(file) == 0 else { return error() }
        if isNew, !syncDirectory() { return error() }
        progress.withLock { $0 = Progress(isUnsynced: false, synced: number) }
        return nil
    }

    private func syncDirectory() -> Bool {
        let directory = open(path.lastIndex(of: "/").map { String(path[...$0]) } ?? ".", O_RDONLY | O_CLOEXEC)
        guard directory >= 0 else { return false }
        defer { close(directory) }
        return fsync(directory) == 0
    }

    /// The error of the latest system call.
    private func error() -> TaskStoreError {
        switch errno {
        case ENOSPC, EDQUOT, EFBIG: .full
        case EROFS, EACCES, EPERM: .readOnly
        case let code: .failed("the file \(path) cannot be written: \(String(cString: strerror(code)))")
        }
    }
}
