import Crypto
import Dispatch
import FoundationEssentials
import Synchronization
import TaskModel
package import TaskStore
import VerbatimJSON

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Keeps the journal in two files of the state directory: `journal`, to which lines are appended, and `journal.old`, which
/// has those before them.
///
/// Each line is a JSON document behind the beginning of its SHA-256, so a line that was not written completely is not read.
/// Lines that wait at the same time are synced together.
package final class JournalFile: AttemptJournal {
    private struct State {
        var waiting: [(text: String, continuation: CheckedContinuation<TaskStoreError?, Never>)] = []
        var isWriting = false
        /// The file is open while it is known where it ends.
        var file: Int32?
        var size = 0
        /// The latest process, which each new file begins with.
        var process: JournalLine?
    }

    private let path: String
    private let longest: Int
    private let state = Mutex(State())
    /// Writes block, so they run on a thread of their own.
    private let queue = DispatchQueue(label: "pollux.journal")

    /// Creates the journal in that state directory. A file of `longest` bytes is put aside: 4 MiB are about 15,000 attempts, more
    /// than a server that takes over can have lost.
    package init(in directory: String, longest: Int = 4 << 20) {
        path = directory + "/journal"
        self.longest = longest
    }

    deinit { if let file = state.withLock({ $0.file }) { close(file) } }

    // MARK: Reading

    package func read() async throws(TaskStoreError) -> JournalContents {
        let result: Result<JournalContents, TaskStoreError> = await withCheckedContinuation { continuation in
            queue.async {
                do throws(TaskStoreError) { continuation.resume(returning: .success(try self.readNow())) } catch {
                    continuation.resume(returning: .failure(error))
                }
            }
        }
        return try result.get()
    }

    private func readNow() throws(TaskStoreError) -> JournalContents {
        let former = try contents(of: path + ".old")
        return JournalContents(
            lines: (former ?? []) + (try contents(of: path) ?? []), isWhole: former == nil)
    }

    /// The lines of a file; nil if there is no file.
    private func contents(of path: String) throws(TaskStoreError) -> [JournalLine]? {
        guard access(path, F_OK) == 0 else { return nil }
        guard let bytes = FileManager.default.contents(atPath: path) else {
            throw .failed("the file \(path) cannot be read")
        }
        return bytes.split(separator: UInt8(ascii: "\n")).compactMap { JournalLine(stored: $0) }
    }

    // MARK: Writing

    package func append(_ line: JournalLine) async throws(TaskStoreError) {
        let text = line.stored
        let error: TaskStoreError? = await withCheckedContinuation { continuation in
            let mustBegin = state.withLock { state in
                if case .process = line { state.process = line }
                state.waiting.append((text, continuation))
                defer { state.isWriting = true }
                return !state.isWriting
            }
            if mustBegin { queue.async { self.writeWaiting() } }
        }
        if let error { throw error }
    }

    private func writeWaiting() {
        while true {
            let lines = state.withLock { state in
                defer { state.waiting = [] }
                if state.waiting.isEmpty { state.isWriting = false }
                return state.waiting
            }
            guard !lines.isEmpty else { return }
            let error = put(lines.map(\.text).joined())
            for line in lines { line.continuation.resume(returning: error) }
        }
    }

    private func put(_ text: String) -> TaskStoreError? {
        do throws(TaskStoreError) {
            var state = state.withLock { $0 }
            if state.size >= longest { try putAside(&state) }
            let file: Int32
            if let known = state.file { file = known } else { file = try openFile(&state, for: text) }
            let bytes = Array(text.utf8)
            guard write(file, bytes, bytes.count) == bytes.count, fdatasync(file) == 0 else {
                let failure = Self.latestError(of: path)
                // Where it ends now is not known.
                close(file)
                self.state.withLock { $0.file = nil }
                throw failure
            }
            let size = state.size + bytes.count
            self.state.withLock { ($0.file, $0.size) = (file, size) }
            return nil
        } catch {
            return error
        }
    }

    /// Opens the file for that text. A new one begins with the line of the process.
    private func openFile(_ state: inout State, for text: String) throws(TaskStoreError) -> Int32 {
        let isNew = access(path, F_OK) != 0
        let file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw Self.latestError(of: path) }
        var info = stat()
        guard fstat(file, &info) == 0 else { throw Self.latestError(of: path) }
        state.size = Int(info.st_size)
        // An earlier write may have ended within a line.
        let process = state.process?.stored ?? ""
        let beginning = "\n" + (isNew && !text.contains(process) ? process : "")
        guard write(file, beginning, beginning.utf8.count) == beginning.utf8.count else {
            let failure = Self.latestError(of: path)
            close(file)
            throw failure
        }
        if isNew, !syncDirectory() { throw Self.latestError(of: path) }
        return file
    }

    private func putAside(_ state: inout State) throws(TaskStoreError) {
        if let file = state.file { close(file) }
        state.file = nil
        self.state.withLock { $0.file = nil }
        guard rename(path, path + ".old") == 0 else { throw Self.latestError(of: path) }
        state.size = 0
    }

    private func syncDirectory() -> Bool {
        let directory = open(path.lastIndex(of: "/").map { String(path[...$0]) } ?? ".", O_RDONLY | O_CLOEXEC)
        guard directory >= 0 else { return false }
        defer { close(directory) }
        return fsync(directory) == 0
    }

    /// The error of the latest system call.
    private static func latestError(of path: String) -> TaskStoreError {
        switch errno {
        case ENOSPC, EDQUOT, EFBIG: .full
        case EROFS, EACCES, EPERM: .readOnly
        case let code: .failed("the file \(path) cannot be written: \(String(cString: strerror(code)))")
        }
    }
}

/// The stored form of a line.
extension JournalLine {
    var stored: String {
        let text = JSONValue.object(json).text
        return "\(Self.checksum(text)) \(text)\n"
    }

    init?(stored bytes: some Collection<UInt8>) {
        let line = String(decoding: bytes, as: UTF8.self)
        guard let blank = line.firstIndex(of: " ") else { return nil }
        let text = String(line[line.index(after: blank)...])
        guard line[..<blank] == Self.checksum(text),
            let json = try? JSONValue(parsing: Array(text.utf8), limits: .lenient)
        else { return nil }
        self.init(json)
    }

    private static func checksum(_ text: String) -> String {
        SHA256.hash(data: Array(text.utf8)).prefix(8).map { byte in
            String(UInt16(byte) + 256, radix: 16).dropFirst()
        }.joined()
    }

    private var json: JSONObject {
        switch self {
        case .process(let token): return JSONObject([("process", .string(token.text))])
        case .compared(let server): return JSONObject([("compared", .string(server))])
        case .reported(let task, let attempt):
            return JSONObject([("reported", .string(task.text)), ("attempt", .number(JSONNumber(attempt)))])
        case .attempt(let entry):
            var members = JSONObject([
                ("task", .string(entry.task.text)), ("attempt", .number(JSONNumber(entry.attempt.number))),
                ("account", .string(entry.account.text)),
                ("started_ms", .number(JSONNumber(Int(entry.attempt.startedAt.milliseconds)))),
            ])
            if let digest = entry.attempt.callback {
                members["callback"] = .string(Data(digest.bytes).base64EncodedString())
            }
            return members
        }
    }

    private init?(_ json: JSONValue) {
        let number = json["attempt"]?.number.flatMap { Int($0.digits) }
        if let token = json["process"]?.string.flatMap({ LeaseToken(text: $0) }) {
            self = .process(token)
        } else if let server = json["compared"]?.string {
            self = .compared(server: server)
        } else if let task = json["reported"]?.string.flatMap({ TaskID($0) }), let number {
            self = .reported(task, attempt: number)
        } else if let task = json["task"]?.string.flatMap({ TaskID($0) }), let number,
            let account = json["account"]?.string, let start = json["started_ms"]?.number.flatMap({ Int64($0.digits) })
        {
            let digest = json["callback"]?.string.flatMap { Data(base64Encoded: $0) }.flatMap { CallbackDigest($0) }
            self = .attempt(
                JournalEntry(
                    task: task,
                    attempt: Attempt(number: number, startedAt: Timestamp(milliseconds: start), callback: digest),
                    account: AccountName(stored: account)))
        } else {
            return nil
        }
    }
}
