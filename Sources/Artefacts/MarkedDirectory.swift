import Synchronization
import TaskEngine

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// The directory of all files, with the mark that says whose it is.
///
/// The mark is a file that is made when the directory is first used. It is locked while a daemon uses the directory, so that no
/// other daemon removes its files. Without the mark the directory is not the one that was used before: its disk may not be
/// mounted. Then nothing in it counts as missing, and nothing is written there.
final class MarkedDirectory: Sendable {
    /// The name of the mark.
    static let markName = ".pollux-artefacts"

    let path: String
    /// The state directory of this daemon.
    private let owner: String
    /// The id that the directory gets if it has none. It differs at each start.
    let newID: String
    private let state = Mutex(State())

    private struct State {
        /// The id by which the database knows the directory; nil until it was claimed.
        var id: String?
        /// Why the latest claim failed, as sentences.
        var problem: String?
        /// The locked mark; -1 for none.
        var descriptor: CInt = -1
    }

    init(_ path: String, owner: String, newID: String) {
        self.path = path
        self.owner = owner
        self.newID = newID
    }

    private var mark: String { "\(path)/\(Self.markName)" }

    /// Locks the directory, and marks it if it is used for the first time; returns its id.
    ///
    /// `known` is the id by which the database knows it; nil if it knows none. `isUsed` says that the database has files in
    /// it.
    func claim(knownAs known: String?, isUsed: Bool) throws(ArtefactFailure) -> String {
        try state.withLock { state throws(ArtefactFailure) in
            if state.descriptor >= 0, state.id == known, isInPlace(state.descriptor) { return state.id ?? newID }
            // Earlier versions left no mark, but what they have left there shows whose the files are.
            let isFirst = known == nil && (!isUsed || exists("\(path)/objects"))
            do throws(ArtefactFailure) {
                let id = try reopen(knownAs: known, mayBegin: isFirst || isNewInside, &state)
                state.id = id
                return id
            } catch {
                state.problem = error.message
                throw error
            }
        }
    }

    /// Throws unless the directory is the claimed one. One that was away for a while is locked again.
    func check() throws(ArtefactFailure) {
        try state.withLock { state throws(ArtefactFailure) in
            guard let id = state.id else {
                throw .storage(state.problem ?? "The directory of artefacts \(path) is not open yet.")
            }
            if state.descriptor >= 0, isInPlace(state.descriptor) { return }
            _ = try reopen(knownAs: id, mayBegin: false, &state)
        }
    }

    /// Whether the directory is missing and its place is in the state directory, where no separate disk can be unmounted.
    private var isNewInside: Bool {
        var status = stat()
        return path.hasPrefix(owner + "/") && lstat(path, &status) != 0 && errno == ENOENT
    }

    private func exists(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0
    }

    /// Whether the open mark is the one at the path.
    private func isInPlace(_ descriptor: CInt) -> Bool {
        var (held, found) = (stat(), stat())
        return fstat(descriptor, &held) == 0 && lstat(mark, &found) == 0 && held.st_ino == found.st_ino
            && held.st_dev == found.st_dev
    }

    private func reopen(
        knownAs known: String?, mayBegin: Bool, _ state: inout State
    ) throws(ArtefactFailure) -> String {
        if state.descriptor >= 0 { close(state.descriptor) }
        state.descriptor = -1
        let descriptor = try openMark(mayBegin: mayBegin)
        do throws(ArtefactFailure) {
            let id = try lock(descriptor, knownAs: known)
            state.descriptor = descriptor
            return id
        } catch {
            close(descriptor)
            throw error
        }
    }

    private func openMark(mayBegin: Bool) throws(ArtefactFailure) -> CInt {
        var descriptor = open(mark, O_RDWR | O_NOFOLLOW | O_CLOEXEC)
        if descriptor >= 0 { return descriptor }
        guard errno == ENOENT else { throw ArtefactFailure(errno, doing: "open", mark) }
        guard mayBegin else {
            throw .storage(
                "The directory of artefacts \(path) has no file \(Self.markName), so it is not the one that was used before. Perhaps its disk is not mounted. Nothing is fetched or removed, and long values stay in the database. Mount the disk. Only if the files are lost for good, create that file, empty: they are then fetched again."
            )
        }
        if mkdir(path, 0o700) != 0, errno != EEXIST { throw ArtefactFailure(errno, doing: "create", path) }
        descriptor = open(mark, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw ArtefactFailure(errno, doing: "create", mark) }
        return descriptor
    }

    /// Locks the mark and reads it; an empty one is written.
    private func lock(_ descriptor: CInt, knownAs known: String?) throws(ArtefactFailure) -> String {
        // Some file systems have no locks. The mark still says whose the directory is.
        let isTaken = flock(descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK
        let note = MarkNote(try read(descriptor))
        if isTaken { throw .storage("\(belongs(to: note)) It runs at the moment. \(Self.consequence)") }
        guard let note else { return try write(known ?? newID, to: descriptor) }
        guard note.id == known || note.owner == owner else {
            throw .storage(
                "\(belongs(to: note)) \(Self.consequence) If that Pollux is gone for good, empty the file \(mark).")
        }
        return note.owner == owner ? note.id : try write(note.id, to: descriptor)
    }

    private static let consequence =
        "Nothing is fetched or removed here, and long values stay in the database. Choose another artefacts.directory for one of the two."

    private func belongs(to note: MarkNote?) -> String {
        "The directory of artefacts \(path) belongs to another Pollux"
            + (note.map { ", whose state directory is \($0.owner)." } ?? ".")
    }

    private func read(_ descriptor: CInt) throws(ArtefactFailure) -> String {
        var bytes = [UInt8](repeating: 0, count: 8_192)
        let count = pread(descriptor, &bytes, bytes.count, 0)
        guard count >= 0 else { throw ArtefactFailure(errno, doing: "read", mark) }
        return String(decoding: bytes[..<count], as: UTF8.self)
    }

    private func write(_ id: String, to descriptor: CInt) throws(ArtefactFailure) -> String {
        let text = Array(MarkNote(id: id, owner: owner).text.utf8)
        guard ftruncate(descriptor, 0) == 0, pwrite(descriptor, text, text.count, 0) == text.count,
            fsync(descriptor) == 0
        else { throw ArtefactFailure(errno, doing: "write", mark) }
        try ObjectFiles.sync(path)
        return id
    }

    deinit { state.withLock { if $0.descriptor >= 0 { close($0.descriptor) } } }
}

/// The contents of a mark.
struct MarkNote: Equatable {
    let id: String
    /// The state directory of the daemon that uses the directory.
    let owner: String

    init(id: String, owner: String) {
        self.id = id
        self.owner = owner
    }

    /// Reads a mark; nil if it has no id, as an empty one.
    init?(_ text: String) {
        func value(_ name: String) -> String? {
            text.split(separator: "\n").first { $0.hasPrefix(name + ": ") }.map { String($0.dropFirst(name.count + 2)) }
        }
        guard let id = value("id") else { return nil }
        self.init(id: id, owner: value("state_directory") ?? "")
    }

    var text: String {
        """
        Pollux keeps files of results here. Without this file it does not use the directory.
        id: \(id)
        state_directory: \(owner)

        """
    }
}
