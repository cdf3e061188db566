import Crypto
import NIOCore
import Synchronization
import TaskEngine

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// A file that is being written, with the digest of what is written so far.
final class ObjectDraft: Sendable {
    private struct State {
        var descriptor: CInt
        var hash = SHA256()
        var count: Int64 = 0
        /// The first bytes, which show what the file is.
        var beginning: [UInt8] = []
    }

    let path: String
    private let state: Mutex<State>
    /// Counts what all drafts have.
    private let counted: @Sendable (Int64) -> Void

    /// Makes an empty file, open to its owner only. `counted` gets the growth of the file, and its loss in the end.
    init(path: String, counted: @escaping @Sendable (Int64) -> Void) throws(ArtefactFailure) {
        self.path = path
        self.counted = counted
        let descriptor = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw ArtefactFailure(errno, doing: "create", path) }
        state = Mutex(State(descriptor: descriptor))
    }

    /// How many bytes are written.
    var count: Int64 { state.withLock { $0.count } }

    var beginning: [UInt8] { state.withLock { $0.beginning } }

    /// The SHA-256 of what is written.
    var sha256: [UInt8] { state.withLock { Array($0.hash.finalize()) } }

    func append(_ part: ByteBuffer) throws(ArtefactFailure) {
        let result: Result<Void, ArtefactFailure> = part.withUnsafeReadableBytes { bytes in
            do throws(ArtefactFailure) { return .success(try append(bytes)) } catch { return .failure(error) }
        }
        try result.get()
    }

    private func append(_ bytes: UnsafeRawBufferPointer) throws(ArtefactFailure) {
        try state.withLock { state throws(ArtefactFailure) in
            var (rest, place) = (bytes, state.count)
            while !rest.isEmpty {
                // The place is named: what a write left that failed halfway is written over.
                let written = pwrite(state.descriptor, rest.baseAddress, rest.count, off_t(place))
                if written < 0, errno == EINTR { continue }
                guard written >= 0 else { throw ArtefactFailure(errno, doing: "write", path) }
                rest = UnsafeRawBufferPointer(rebasing: rest[written...])
                place += Int64(written)
            }
            state.hash.update(bufferPointer: bytes)
            state.count += Int64(bytes.count)
            counted(Int64(bytes.count))
            let missing = MediaSniffer.length - state.beginning.count
            if missing > 0 { state.beginning += bytes.prefix(missing) }
        }
    }

    /// Passes on what is written, from the beginning.
    func read(_ body: (UnsafeRawBufferPointer) -> Void) throws(ArtefactFailure) {
        try state.withLock { state throws(ArtefactFailure) in
            var buffer = [UInt8](repeating: 0, count: 1 << 18)
            var place: Int64 = 0
            while true {
                let count = buffer.withUnsafeMutableBytes {
                    pread(state.descriptor, $0.baseAddress, $0.count, off_t(place))
                }
                if count < 0, errno == EINTR { continue }
                guard count >= 0 else { throw ArtefactFailure(errno, doing: "read", path) }
                guard count > 0 else { return }
                buffer.withUnsafeBytes { body(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
                place += Int64(count)
            }
        }
    }

    /// Writes the contents to disk and makes the file read-only.
    func seal() throws(ArtefactFailure) {
        try state.withLock { state throws(ArtefactFailure) in
            // A write that failed may have left bytes behind those that count.
            guard ftruncate(state.descriptor, off_t(state.count)) == 0 else {
                throw ArtefactFailure(errno, doing: "truncate", path)
            }
            #if canImport(Darwin)
                let isSynced = fcntl(state.descriptor, F_FULLFSYNC) == 0
            #else
                let isSynced = fdatasync(state.descriptor) == 0
            #endif
            guard isSynced, fchmod(state.descriptor, 0o400) == 0 else {
                throw ArtefactFailure(errno, doing: "sync", path)
            }
        }
    }

    deinit {
        state.withLock { state in
            _ = close(state.descriptor)
            counted(-state.count)
        }
        unlink(path)
    }
}

extension ArtefactFailure {
    /// What the system said about a file. A full disk is a reason to wait; nothing of it is about the URL.
    init(_ code: CInt, doing verb: String, _ path: String) {
        let text = "Could not \(verb) \(path): \(String(cString: strerror(code)))."
        self = [ENOSPC, EDQUOT].contains(code) ? .noRoom(text, missing: 1) : .storage(text)
    }
}
