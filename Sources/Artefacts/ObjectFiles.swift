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

    package let directory: String
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
        /// Objects that downloads have brought whose results are not stored yet, and by how many.
        var unsettled: [String: Int] = [:]
        /// Objects that are being removed.
        var leaving: Set<String> = []
    }

    /// Called at the points at which tests kill the daemon.
    let passed: @Sendable (CrashPoint) -> Void

    package init(
        directory: String, limits: Current<Limits>, passed: @escaping @Sendable (CrashPoint) -> Void = { _ in }
    ) {
        self.directory = directory
        self.limits = limits
        self.passed = passed
        threads.start()
    }

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

    /// The path of the object with that digest in hexadecimal digits, and whether it is there.
    func file(of sha256: String) -> (path: String, exists: Bool) {
        (path(of: sha256), Self.status(of: path(of: sha256)) != nil)
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
        let number = state.withLock { state in
            state.drafts += 1
            return state.drafts
        }
        return try ObjectDraft(path: "\(directory)/objects/.draft-\(getpid())-\(number)") { [weak self] bytes in
            self?.state.withLock { $0.unfinished += bytes }
        }
    }

    /// Keeps a whole file under its digest and its name. It is on disk when the call returns, and stays until
    /// ``settle(_:)``.
    func keep(_ draft: ObjectDraft, as sha256: String, name: String) throws(ArtefactFailure) {
        let isLeaving = state.withLock { state in
            if state.leaving.contains(sha256) { return true }
            state.unsettled[sha256, default: 0] += 1
            return false
        }
        if isLeaving { throw .later("The same file is just being removed.") }
        do throws(ArtefactFailure) {
            try place(draft, as: sha256, name: name)
        } catch {
            settle(sha256)
            throw error
        }
    }

    /// Lets an object be removed again.
    func settle(_ sha256: String) {
        state.withLock { state in
            let rest = (state.unsettled[sha256] ?? 1) - 1
            state.unsettled[sha256] = rest > 0 ? rest : nil
        }
    }

    private func place(_ draft: ObjectDraft, as sha256: String, name: String) throws(ArtefactFailure) {
        try draft.seal()
        passed(.afterDownload)
        let path = path(of: sha256)
        let folder = "\(directory)/objects/\(sha256.prefix(2))"
        if try makeDirectory(folder) { try sync("\(directory)/objects") }
        if link(draft.path, path) == 0 {
            state.withLock { $0.used += draft.count }
        } else if errno != EEXIST {
            throw ArtefactFailure(errno, doing: "create", path)
        }
        try sync(folder)
        passed(.afterObject)
        try giveName(name, to: path)
        // The draft itself may be held for a moment longer.
        unlink(draft.path)
    }

    /// Links an object to its name for people. A name that is there belongs to an earlier attempt at the same result.
    private func giveName(_ name: String, to path: String) throws(ArtefactFailure) {
        var folder = directory
        for part in name.split(separator: "/").dropLast() {
            let parent = folder
            folder += "/\(part)"
            if try makeDirectory(folder) { try sync(parent) }
        }
        let target = "\(directory)/\(name)"
        if link(path, target) != 0 {
            guard errno == EEXIST, unlink(target) == 0, link(path, target) == 0 else {
                throw ArtefactFailure(errno, doing: "create", target)
            }
        }
        try sync(folder)
    }

    /// Makes a directory for its owner only; returns whether it was missing.
    private func makeDirectory(_ path: String) throws(ArtefactFailure) -> Bool {
        if mkdir(path, 0o700) == 0 { return true }
        guard errno == EEXIST else { throw ArtefactFailure(errno, doing: "create", path) }
        return false
    }

    /// Has the entries of a directory on disk when it returns.
    private func sync(_ path: String) throws(ArtefactFailure) {
        let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw ArtefactFailure(errno, doing: "open", path) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw ArtefactFailure(errno, doing: "sync", path) }
    }

    // MARK: Removing

    /// Removes the name of an object, and the object unless it is used.
    func remove(
        _ sha256: String, name: String, isUsed: @Sendable () async throws(ArtefactFailure) -> Bool
    ) async throws(ArtefactFailure) {
        let isFree = state.withLock { state in
            guard state.unsettled[sha256] == nil else { return false }
            return state.leaving.insert(sha256).inserted
        }
        guard isFree else { throw .later("The same file was just fetched again.") }
        defer { state.withLock { _ = $0.leaving.remove(sha256) } }
        let isShared = try await isUsed()
        try await onDisk { () throws(ArtefactFailure) in
            let path = self.path(of: sha256)
            guard let object = Self.status(of: path) else { return }
            let named = "\(self.directory)/\(name)"
            // A person may have put another file in its place.
            if let status = Self.status(of: named), status.st_ino == object.st_ino, status.st_dev == object.st_dev {
                guard unlink(named) == 0 || errno == ENOENT else {
                    throw ArtefactFailure(errno, doing: "remove", named)
                }
            }
            if isShared { return }
            guard unlink(path) == 0 else { throw ArtefactFailure(errno, doing: "remove", path) }
            self.state.withLock { $0.used -= Int64(object.st_size) }
            self.passed(.afterUnlink)
        }
    }

    // MARK: At the start

    /// Makes the directories; removes unfinished files, and objects without a name that no result has.
    func prepare(
        orphans: @Sendable ([String]) async throws(ArtefactFailure) -> [String]
    ) async throws(ArtefactFailure) {
        let digests = try await onDisk { () throws(ArtefactFailure) in
            for path in [self.directory, self.directory + "/objects", self.directory + "/by-task"] {
                _ = try self.makeDirectory(path)
            }
            return try self.listObjects()
        }
        for start in stride(from: 0, to: digests.count, by: 500) {
            let part = Array(digests[start..<min(start + 500, digests.count)])
            let unknown = try await orphans(part)
            if !unknown.isEmpty { try await onDisk { () throws(ArtefactFailure) in self.remove(unknown) } }
        }
    }

    /// The digests of all objects. Counts their sizes, and removes unfinished files.
    private func listObjects() throws(ArtefactFailure) -> [String] {
        var digests: [String] = []
        var used: Int64 = 0
        for folder in try Self.names(in: directory + "/objects") {
            if folder.hasPrefix(".draft-") {
                unlink("\(directory)/objects/\(folder)")
                continue
            }
            guard folder.utf8.count == 2 else { continue }
            for name in try Self.names(in: "\(directory)/objects/\(folder)") where name.utf8.count == 64 {
                digests.append(name)
                used += Self.status(of: path(of: name)).map { Int64($0.st_size) } ?? 0
            }
        }
        state.withLock { $0.used = used }
        return digests
    }

    /// Removes objects, unless they have a name for people: after the restore of an older database those are all that
    /// is left of what was paid for.
    private func remove(_ digests: [String]) {
        for digest in digests {
            guard let status = Self.status(of: path(of: digest)), status.st_nlink == 1 else { continue }
            if unlink(path(of: digest)) == 0 { state.withLock { $0.used -= Int64(status.st_size) } }
        }
    }

    private static func status(of path: String) -> stat? {
        var status = stat()
        return lstat(path, &status) == 0 ? status : nil
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
