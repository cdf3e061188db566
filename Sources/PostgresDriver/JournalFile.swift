import Crypto
import Dispatch
import FileIdentity
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

/// Keeps the journal in two files of the state directory. Lines are appended to `journal`; `journal.old` has earlier ones.
///
/// Each line is a checksum and a JSON document. A line that was not written completely is not read. Lines that wait at the same
/// time are synced together.
///
/// The line of a process also has the identity of its file. So a copied journal does not confirm processes of the original machine.
package final class JournalFile: AttemptJournal {
    private struct State {
        var waiting: [(line: JournalLine, continuation: CheckedContinuation<TaskStoreError?, Never>)] = []
        var isWriting = false
        /// The latest lines of these kinds, which each new file begins with.
        var process: JournalLine?
        var compared: JournalLine?
    }

    /// What the thread that writes knows.
    private struct Output {
        /// The file is open while it is known where it ends.
        var file: Int32?
        var size = 0
        /// Whether its name may not be on disk.
        var isNew = false
    }

    private let path: String
    private let longest: Int
    private let state = Mutex(State())
    private let output = Mutex(Output())
    /// Writes block, so they run on a thread of their own.
    private let queue = DispatchQueue(label: "pollux.journal")

    /// Creates the journal in that state directory. A file of `longest` bytes is put aside: 4 MiB are about 15,000 attempts, more
    /// than a server that takes over can have lost.
    package init(in directory: String, longest: Int = 4 << 20) {
        path = directory + "/journal"
        self.longest = longest
    }

    deinit { if let file = output.withLock({ $0.file }) { close(file) } }

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
        let identity = FileIdentity(of: path)
        return bytes.split(separator: UInt8(ascii: "\n")).compactMap { line in
            StoredLine(stored: line).flatMap { $0.file?.isSame(as: identity) ?? true ? $0.line : nil }
        }
    }

    // MARK: Writing

    package func append(_ line: JournalLine) async throws(TaskStoreError) {
        let error: TaskStoreError? = await withCheckedContinuation { continuation in
            let mustBegin = state.withLock { state in
                switch line {
                case .process: state.process = line
                case .compared: state.compared = line
                case .attempt, .reported: break
                }
                state.waiting.append((line, continuation))
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
            let error = put(lines.map(\.line))
            for line in lines { line.continuation.resume(returning: error) }
        }
    }

    private func put(_ lines: [JournalLine]) -> TaskStoreError? {
        do throws(TaskStoreError) {
            if output.withLock({ $0.size >= longest }) { try putAside() }
            let file: Int32
            if let known = output.withLock({ $0.file }) { file = known } else { file = try openFile(for: lines) }
            let identity = FileIdentity(of: path)
            try add(lines.map { StoredLine($0, in: identity).stored }.joined(), to: file)
            guard fdatasync(file) == 0 else { throw closed(after: Self.latestError(of: path)) }
            if output.withLock({ $0.isNew }) {
                guard syncDirectory() else { throw Self.latestError(of: path) }
                output.withLock { $0.isNew = false }
            }
            return nil
        } catch {
            return error
        }
    }

    /// Opens the file for these lines. A new file begins with the latest process and comparison.
    private func openFile(for lines: [JournalLine]) throws(TaskStoreError) -> Int32 {
        let isNew = access(path, F_OK) != 0
        let file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw Self.latestError(of: path) }
        var info = stat()
        output.withLock { output in
            output.file = file
            output.size = fstat(file, &info) == 0 ? Int(info.st_size) : 0
            if isNew { output.isNew = true }
        }
        let kept = isNew ? state.withLock { [$0.process, $0.compared] } : []
        let identity = FileIdentity(of: path)
        let texts = kept.compactMap { line in
            line.flatMap { lines.contains($0) ? nil : StoredLine($0, in: identity).stored }
        }
        // An earlier write may have ended within a line.
        try add("\n" + texts.joined(), to: file)
        return file
    }

    private func add(_ text: String, to file: Int32) throws(TaskStoreError) {
        let bytes = Array(text.utf8)
        let count = write(file, bytes, bytes.count)
        guard count == bytes.count else {
            // A short write sets no error. Its usual cause is a full disk.
            throw closed(after: count < 0 ? Self.latestError(of: path) : .full)
        }
        output.withLock { $0.size += count }
    }

    /// Closes the file after an error, because where it ends is not known.
    private func closed(after error: TaskStoreError) -> TaskStoreError {
        output.withLock { output in
            if let file = output.file { close(file) }
            output.file = nil
        }
        return error
    }

    private func putAside() throws(TaskStoreError) {
        output.withLock { output in
            if let file = output.file { close(file) }
            output = Output()
        }
        guard rename(path, path + ".old") == 0 else { throw Self.latestError(of: path) }
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

/// A line as it is in the file.
private struct StoredLine {
    let line: JournalLine
    /// The file that the line was written to; nil if that does not matter.
    let file: FileIdentity?

    init(_ line: JournalLine, in file: FileIdentity) {
        self.line = line
        if case .process = line { self.file = file } else { self.file = nil }
    }

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
        switch line {
        case .process(let token):
            return JSONObject([
                ("process", .string(token.text)), ("file", .string("\(file?.inode ?? 0) \(file?.created ?? 0)")),
            ])
        case .compared(let server, let place):
            return JSONObject([("compared", .string(server)), ("place", .number(JSONNumber(Int(place))))])
        case .reported(let task, let attempt):
            return JSONObject([("reported", .string(task.text)), ("attempt", .number(JSONNumber(attempt)))])
        case .attempt(let entry):
            var members = JSONObject([
                ("task", .string(entry.task.text)), ("attempt", .number(JSONNumber(entry.attempt.number))),
                ("account", .string(entry.account.text)),
                ("started_ms", .number(JSONNumber(Int(entry.attempt.startedAt.milliseconds)))),
                ("place", .number(JSONNumber(Int(entry.place)))),
            ])
            if let digest = entry.attempt.callback {
                members["callback"] = .string(Data(digest.bytes).base64EncodedString())
            }
            return members
        }
    }

    private init?(_ json: JSONValue) {
        let number = json["attempt"]?.number.flatMap { Int($0.digits) }
        let place = json["place"]?.number.flatMap { Int64($0.digits) }
        var file: FileIdentity?
        if let token = json["process"]?.string.flatMap({ LeaseToken(text: $0) }) {
            let numbers = json["file"]?.string?.split(separator: " ") ?? []
            guard numbers.count == 2, let inode = UInt64(numbers[0]), let created = Int64(numbers[1]) else {
                return nil
            }
            file = FileIdentity(inode: inode, created: created)
            line = .process(token)
        } else if let server = json["compared"]?.string, let place {
            line = .compared(server: server, place: place)
        } else if let task = json["reported"]?.string.flatMap({ TaskID($0) }), let number {
            line = .reported(task, attempt: number)
        } else if let task = json["task"]?.string.flatMap({ TaskID($0) }), let number,
            let account = json["account"]?.string, let place,
            let start = json["started_ms"]?.number.flatMap({ Int64($0.digits) })
        {
            let digest = json["callback"]?.string.flatMap { Data(base64Encoded: $0) }.flatMap { CallbackDigest($0) }
            line = .attempt(
                JournalEntry(
                    task: task,
                    attempt: Attempt(number: number, startedAt: Timestamp(milliseconds: start), callback: digest),
                    account: AccountName(stored: account), place: place))
        } else {
            return nil
        }
        self.file = file
    }
}
