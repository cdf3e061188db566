import NIOPosix
package import ProviderCatalog
import Synchronization
package import TaskEngine
import TaskModel

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// ObjectFiles keeps whole files, once each, under their digests, and under names for people.
///
/// `objects/ab/<sha256>` is made by a hard link to a file that is whole and synced. So it is whole or not there, also
/// after a crash. Names below `by-task` are hard links too.
package final class ObjectFiles: Sendable {
    /// How much room the files may take.
    package struct Limits: Sendable, Hashable {
        /// The most bytes of all files; nil means 20 GiB, or a tenth of the file system if that is less.
        package var quota: Int64?
        /// What must stay free on the file system.
        package var keepFree: Int64

        package init(quota: Int64? = nil, keepFree: Int64 = 1 << 30) {
            self.quota = quota
            self.keepFree = keepFree
        }
    }

    let mark: MarkedDirectory
    private let limits: Current<Limits>
    /// Disk work may block for seconds, so it has threads that nothing else uses.
    private let threads = NIOThreadPool(numberOfThreads: 4)
    private let state = Mutex(State())

    private struct State {
        /// How many bytes all objects have.
        var used: Int64 = 0
        /// How many bytes the unfinished files have.
        var unfinished: Int64 = 0
        var drafts = 0
        var claims = FileClaims()
    }

    /// What concerns the long values of records.
    struct Parts {
        var claims = FileClaims()
        /// How many backups need all of them.
        var holds = 0
    }

    let parts = Mutex(Parts())

    /// Called at the points at which tests kill the daemon.
    let passed: @Sendable (CrashPoint) -> Void

    /// `owner` is the state directory of the daemon, and `newID` the id that the directory gets when it is first used.
    package init(
        directory: String, owner: String, newID: String, limits: Current<Limits>,
        passed: @escaping @Sendable (CrashPoint) -> Void = { _ in }
    ) {
        mark = MarkedDirectory(directory, owner: owner, newID: newID)
        self.limits = limits
        self.passed = passed
        threads.start()
    }

    package var directory: String { mark.path }

    /// Runs disk work on a thread that may block.
    func onDisk<Value: Sendable>(
        _ body: @escaping @Sendable () throws(ArtefactFailure) -> Value
    ) async throws(ArtefactFailure) -> Value {
        let result: Result<Value, ArtefactFailure>
        do {
            result = try await threads.runIfActive {
                do throws(ArtefactFailure) { return .success(try body()) } catch { return .failure(error) }
            }
        } catch {
            result = .failure(.cancelled)
        }
        return try result.get()
    }

    package func shutdown() async throws { try await threads.shutdownGracefully() }

    /// How many bytes all files have.
    package var used: Int64 { state.withLock { $0.used } }

    /// The path of the object with that digest in hexadecimal digits; nil if it is missing.
    ///
    /// Throws if that cannot be seen, as while the disk of the directory is not mounted.
    func file(of sha256: String) throws(ArtefactFailure) -> String? {
        let path = path(of: sha256)
        if try status(of: path) != nil { return path }
        try mark.check()
        return nil
    }

    private func path(of sha256: String) -> String { "\(directory)/objects/\(sha256.prefix(2))/\(sha256)" }

    // MARK: Room

    /// The most bytes of all files.
    func quota() throws(ArtefactFailure) -> Int64 { try quota(on: try fileSystem()) }

    private func quota(on system: statvfs) throws(ArtefactFailure) -> Int64 {
        limits.wrappedValue.quota ?? min(20 << 30, Int64(system.f_blocks) / 10 * Int64(system.f_frsize))
    }

    private func fileSystem() throws(ArtefactFailure) -> statvfs {
        var system = statvfs()
        guard statvfs(directory, &system) == 0 else { throw ArtefactFailure(errno, doing: "look at", directory) }
        return system
    }

    /// Throws ``ArtefactFailure/noRoom(_:missing:)`` if so many more bytes do not fit.
    func checkRoom(for bytes: Int64) throws(ArtefactFailure) {
        let system = try fileSystem()
        let quota = try quota(on: system)
        let used = state.withLock { $0.used + $0.unfinished }
        guard used + bytes <= quota else {
            throw .noRoom(
                "Files of results take \(used) bytes, and artefacts.quota allows \(quota). Set a greater one, or retention.artefacts.",
                missing: used + bytes - quota)
        }
        let (free, keepFree) = (Int64(system.f_bavail) * Int64(system.f_frsize), limits.wrappedValue.keepFree)
        guard free - bytes >= keepFree else {
            throw .noRoom(
                "The file system of \(directory) is nearly full: artefacts.keep_free keeps \(keepFree) bytes free.",
                missing: keepFree + bytes - free)
        }
    }

    // MARK: Writing

    /// A new file to write into.
    func draft() throws(ArtefactFailure) -> ObjectDraft {
        try mark.check()
        return try ObjectDraft(path: "\(directory)/objects/\(nextDraft())") { [weak self] bytes in
            self?.state.withLock { $0.unfinished += bytes }
        }
    }

    /// The name of a new unfinished file.
    func nextDraft() -> String {
        state.withLock { state in
            state.drafts += 1
            return "\(draftPrefix)\(state.drafts)"
        }
    }

    /// How the names of this daemon's unfinished files begin. The pid may be the same at each start.
    private var draftPrefix: String { ".draft-\(mark.newID)-" }

    /// Keeps a whole file under its digest and its name. It is on disk when the call returns, and stays until
    /// ``settle(object:)``.
    func keep(_ draft: ObjectDraft, as sha256: String, name: String) throws(ArtefactFailure) {
        try mark.check()
        try draft.seal()
        passed(.afterDownload)
        try keep(draft.path, size: draft.count, as: sha256, name: name)
        // The draft itself may be held for a moment longer.
        unlink(draft.path)
    }

    /// Links an object to a whole, synced file. A size counts for the quota.
    func keep(_ file: String, size: Int64?, as sha256: String, name: String) throws(ArtefactFailure) {
        guard state.withLock({ $0.claims.hold(sha256) }) else { throw .later("The same file is just being removed.") }
        do throws(ArtefactFailure) {
            try place(file, size: size, as: sha256, name: name)
        } catch {
            settle(object: sha256)
            throw error
        }
    }

    /// Lets an object be removed again.
    func settle(object sha256: String) { state.withLock { $0.claims.settle(sha256) } }

    private func place(_ file: String, size: Int64?, as sha256: String, name: String) throws(ArtefactFailure) {
        let path = path(of: sha256)
        let folder = "\(directory)/objects/\(sha256.prefix(2))"
        if try makeDirectory(folder) { try Self.sync("\(directory)/objects") }
        if link(file, path) == 0 {
            if let size { state.withLock { $0.used += size } }
        } else if errno != EEXIST {
            throw ArtefactFailure(errno, doing: "create", path)
        }
        try Self.sync(folder)
        passed(.afterObject)
        try giveName(name, to: path)
    }

    /// Links an object to its name for people. A name that is there belongs to an earlier attempt at the same result.
    private func giveName(_ name: String, to path: String) throws(ArtefactFailure) {
        var folder = directory
        for part in name.split(separator: "/").dropLast() {
            let parent = folder
            folder += "/\(part)"
            if try makeDirectory(folder) { try Self.sync(parent) }
        }
        let target = "\(directory)/\(name)"
        if link(path, target) != 0 {
            guard errno == EEXIST, unlink(target) == 0, link(path, target) == 0 else {
                throw ArtefactFailure(errno, doing: "create", target)
            }
        }
        try Self.sync(folder)
    }

    /// Makes a directory for its owner only; returns whether it was missing.
    func makeDirectory(_ path: String) throws(ArtefactFailure) -> Bool {
        if mkdir(path, 0o700) == 0 { return true }
        guard errno == EEXIST else { throw ArtefactFailure(errno, doing: "create", path) }
        return false
    }

    /// Has the entries of a directory on disk when it returns.
    static func sync(_ path: String) throws(ArtefactFailure) {
        let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw ArtefactFailure(errno, doing: "open", path) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw ArtefactFailure(errno, doing: "sync", path) }
    }

    // MARK: Removing

    /// Removes the name of an artefact's object, and the object unless it is used.
    func remove(
        _ artefact: Artefact, _ object: Artefact.Object, isUsed: @Sendable () async throws(ArtefactFailure) -> Bool
    ) async throws(ArtefactFailure) {
        let sha256 = object.sha256
        guard state.withLock({ $0.claims.beginRemoval(sha256) }) else {
            throw .later("The same file was just fetched again.")
        }
        defer { state.withLock { $0.claims.endRemoval(sha256) } }
        let isShared = try await isUsed()
        try await onDisk { () throws(ArtefactFailure) in
            let path = self.path(of: sha256)
            guard let status = try self.status(of: path) else { return try self.mark.check() }
            let named = "\(self.directory)/\(object.name)"
            var links = status.st_nlink
            // A person may have put another file in its place, or keep the name from being removed. Neither keeps the object.
            if let other = try? self.status(of: named), other.isSame(as: status) {
                if unlink(named) == 0 || errno == ENOENT {
                    links -= 1
                } else if ![EACCES, EPERM, EROFS].contains(errno) {
                    throw ArtefactFailure(errno, doing: "remove", named)
                }
            }
            if isShared { return }
            guard unlink(path) == 0 else { throw ArtefactFailure(errno, doing: "remove", path) }
            // Content of a record did not count. With another name the bytes stay.
            if !artefact.isContent, links == 1 { self.state.withLock { $0.used -= Int64(status.st_size) } }
            self.passed(.afterUnlink)
        }
    }

    // MARK: At the start

    /// Locks the directory and makes those in it; removes unfinished files, objects without a name that no result has, and
    /// parts that no record has.
    func prepare(_ records: any ArtefactRecords) async throws(ArtefactFailure) {
        let known = try await records.directoryID()
        let isUsed = try await records.hasFiles()
        let id = try await onDisk { () throws(ArtefactFailure) in
            try self.mark.claim(knownAs: known, isUsed: isUsed)
        }
        if id != known { try await records.put(directoryID: id) }
        let digests = try await onDisk { () throws(ArtefactFailure) in
            for path in [self.directory + "/objects", self.directory + "/by-task"] {
                _ = try self.makeDirectory(path)
            }
            let digests = try self.list("objects")
            try self.count(digests)
            return digests
        }
        for start in stride(from: 0, to: digests.count, by: 500) {
            let part = Array(digests[start..<min(start + 500, digests.count)])
            let unknown = try await records.orphans(among: part)
            if !unknown.isEmpty {
                try await onDisk { () throws(ArtefactFailure) in try self.remove(unknown) }
            }
        }
        try await removeOrphanParts(records)
    }

    /// The digests of all files of that kind. Removes unfinished ones.
    func list(_ kind: String) throws(ArtefactFailure) -> [String] {
        var digests: [String] = []
        for folder in try Self.names(in: "\(directory)/\(kind)") {
            if folder.hasPrefix(".draft-") {
                // A record may be written meanwhile.
                if !folder.hasPrefix(draftPrefix) { unlink("\(directory)/\(kind)/\(folder)") }
                continue
            }
            guard folder.utf8.count == 2 else { continue }
            digests += try Self.names(in: "\(directory)/\(kind)/\(folder)").filter { $0.utf8.count == 64 }
        }
        return digests
    }

    /// Counts the sizes of all objects but those that are content of records.
    private func count(_ digests: [String]) throws(ArtefactFailure) {
        var used: Int64 = 0
        for digest in digests {
            guard let object = try status(of: path(of: digest)) else { continue }
            if let part = try status(of: partPath(digest)), part.isSame(as: object) { continue }
            used += Int64(object.st_size)
        }
        state.withLock { $0.used = used }
    }

    /// Removes objects, unless they have a name for people: after the restore of an older database those are all that
    /// is left of what was paid for.
    private func remove(_ digests: [String]) throws(ArtefactFailure) {
        for digest in digests {
            guard let status = try status(of: path(of: digest)), status.st_nlink == 1 else { continue }
            if unlink(path(of: digest)) == 0 { state.withLock { $0.used -= Int64(status.st_size) } }
        }
    }

    /// The status of a file; nil if it is missing. Anything else that the system says about it is an error.
    func status(of path: String) throws(ArtefactFailure) -> stat? {
        var status = stat()
        if lstat(path, &status) == 0 { return status }
        guard errno == ENOENT else { throw ArtefactFailure(errno, doing: "look at", path) }
        return nil
    }

    private static func names(in folder: String) throws(ArtefactFailure) -> [String] {
        guard let stream = opendir(folder) else { throw ArtefactFailure(errno, doing: "read", folder) }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: Int(NAME_MAX) + 1) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }
}

extension stat {
    /// Whether both are of one file.
    fileprivate func isSame(as other: stat) -> Bool { st_ino == other.st_ino && st_dev == other.st_dev }
}
