import NIOCore
import Synchronization
import TaskEngine
import TaskModel
package import TaskStore

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// The long values of records: `parts/ab/<sha256>`, each whole or not there, as the objects.
///
/// They do not count for the quota. A result with such a value is an object too, which is a link to the same file.
extension ObjectFiles: RecordFiles {
    func partPath(_ sha256: String) -> String { "\(directory)/parts/\(sha256.prefix(2))/\(sha256)" }

    package func keep(_ bytes: [UInt8], as sha256: String) async throws(RecordFileFailure) {
        guard parts.withLock({ $0.claims.hold(sha256) }) else {
            throw RecordFileFailure("The same file is just being removed.")
        }
        do throws(ArtefactFailure) {
            try await onDisk { () throws(ArtefactFailure) in try self.writePart(bytes, sha256) }
        } catch {
            settle(part: sha256)
            throw RecordFileFailure(error.message)
        }
    }

    private func writePart(_ bytes: [UInt8], _ sha256: String) throws(ArtefactFailure) {
        try mark.check()
        let (path, parent) = (partPath(sha256), "\(directory)/parts")
        let folder = "\(parent)/\(sha256.prefix(2))"
        if try status(of: path) == nil {
            _ = try makeDirectory(parent)
            _ = try makeDirectory(folder)
            let draft = try ObjectDraft(path: "\(parent)/\(nextDraft())") { _ in }
            try draft.append(ByteBuffer(bytes: bytes))
            try draft.seal()
            if link(draft.path, path) != 0, errno != EEXIST { throw ArtefactFailure(errno, doing: "create", path) }
        }
        // What a killed daemon linked may not be on disk yet.
        try Self.sync(folder)
        try Self.sync(parent)
        try Self.sync(directory)
        passed(.afterPart)
    }

    package func settle(_ sha256: String) { settle(part: sha256) }

    private func settle(part sha256: String) { parts.withLock { $0.claims.settle(sha256) } }

    package func read(_ sha256: String) async throws(RecordFileFailure) -> [UInt8] {
        do throws(ArtefactFailure) {
            return try await onDisk { () throws(ArtefactFailure) in try self.readPart(sha256) }
        } catch {
            throw RecordFileFailure(error.message)
        }
    }

    package func readBlocking(_ sha256: String) throws(RecordFileFailure) -> [UInt8] {
        do throws(ArtefactFailure) { return try readPart(sha256) } catch { throw RecordFileFailure(error.message) }
    }

    private func readPart(_ sha256: String) throws(ArtefactFailure) -> [UInt8] {
        let path = partPath(sha256)
        let descriptor = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)
        guard descriptor >= 0 else {
            let code = errno
            try mark.check()
            throw ArtefactFailure(code, doing: "open", path)
        }
        defer { close(descriptor) }
        return try Self.bytes(of: descriptor, at: path, limit: .max)
    }

    /// The bytes of an open file, that many at most.
    private static func bytes(of descriptor: CInt, at path: String, limit: Int) throws(ArtefactFailure) -> [UInt8] {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw ArtefactFailure(errno, doing: "read", path) }
        let wanted = min(Int(status.st_size), limit)
        var code: CInt = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: wanted) { buffer, count in
            while count < wanted {
                let got = pread(descriptor, buffer.baseAddress.map { $0 + count }, wanted - count, off_t(count))
                if got < 0, errno == EINTR { continue }
                if got < 0 { code = errno }
                guard got > 0 else { return }
                count += got
            }
        }
        guard code == 0 else { throw ArtefactFailure(code, doing: "read", path) }
        return bytes
    }

    package func holdRemovals(_ isHeld: Bool) { parts.withLock { $0.holds += isHeld ? 1 : -1 } }

    /// Removes a part unless `isUsed` says that a record has it, then calls `removed`.
    func removePart(
        _ sha256: String, isUsed: @Sendable () async throws(ArtefactFailure) -> Bool,
        removed: @Sendable () async throws(ArtefactFailure) -> Void
    ) async throws(ArtefactFailure) {
        let isFree = parts.withLock { $0.holds == 0 && $0.claims.beginRemoval(sha256) }
        guard isFree else { throw .later("A record or a backup is just being written.") }
        defer { parts.withLock { $0.claims.endRemoval(sha256) } }
        if try await isUsed() { return }
        try await onDisk { () throws(ArtefactFailure) in
            try self.mark.check()
            let path = self.partPath(sha256)
            guard unlink(path) == 0 || errno == ENOENT else { throw ArtefactFailure(errno, doing: "remove", path) }
            self.passed(.afterUnlink)
        }
        try await removed()
    }

    /// Removes unfinished parts, and those that no record has and that are no result with a name for people.
    func removeOrphanParts(_ records: any ArtefactRecords) async throws(ArtefactFailure) {
        let digests = try await onDisk { () throws(ArtefactFailure) in
            _ = try self.makeDirectory(self.directory + "/parts")
            return try self.list("parts")
        }
        for start in stride(from: 0, to: digests.count, by: 500) {
            let page = Array(digests[start..<min(start + 500, digests.count)])
            for digest in try await records.orphanParts(among: page) { await removeOrphanPart(digest, records) }
        }
    }

    private func removeOrphanPart(_ sha256: String, _ records: any ArtefactRecords) async {
        do throws(ArtefactFailure) {
            guard try status(of: partPath(sha256))?.st_nlink == 1 else { return }
            try await removePart(sha256) { () throws(ArtefactFailure) in
                try await records.orphanParts(among: [sha256]).isEmpty
            } removed: {
            }
        } catch {
            // It is being written, or the next start removes it.
        }
    }

    /// Makes a part the object of a result, with a name for people. It stays until ``settle(object:)``.
    func linkPart(
        _ sha256: String, promised: String?, base: String
    ) async throws(ArtefactFailure) -> Artefact.Object {
        try await onDisk { () throws(ArtefactFailure) in
            try self.mark.check()
            let path = self.partPath(sha256)
            let descriptor = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)
            guard descriptor >= 0 else {
                throw .later("The file \(path) of the record cannot be read: \(String(cString: strerror(errno))).")
            }
            defer { close(descriptor) }
            var status = stat()
            guard fstat(descriptor, &status) == 0 else { throw ArtefactFailure(errno, doing: "read", path) }
            let beginning = try Self.bytes(of: descriptor, at: path, limit: MediaSniffer.length)
            let said = promised.flatMap { $0.hasSuffix("/*") ? nil : $0 }
            let type = MediaSniffer.mediaType(of: beginning, said: said) ?? "application/octet-stream"
            let name = "\(base).\(MediaSniffer.ending(of: type))"
            try self.keep(path, size: nil, as: sha256, name: name)
            return Artefact.Object(sha256: sha256, size: Int64(status.st_size), mediaType: type, name: name)
        }
    }
}
