import FoundationEssentials
import LocalAPIClient
import LocalAPIContract

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// ResultFiles copies the files of a task's results into a directory.
struct ResultFiles {
    /// What was copied.
    struct Copies {
        let task: Answer<TaskDocument>
        let paths: [String]
        /// Nil if every file was copied.
        let status: ExitStatus?
    }

    let client: LocalAPIClient
    let directory: String
    /// Nil to wait without limit.
    let timeout: Duration?

    /// Has the missing files fetched, waits for them and copies all. Says on standard error what could not be had.
    func fetch(of first: Answer<TaskDocument>, withJSON isQuiet: Bool) async throws -> Copies {
        var task = first
        guard task.document.state == "succeeded" else {
            throw RefusedInput(message: "The task is \(task.document.stateWords), so it has no files of results yet.")
        }
        var progress = isQuiet ? nil : CopyProgress(on: .ofStandardError(environment: ProcessEnvironment.variables))
        defer { progress?.end() }
        let deadline = timeout.map { ContinuousClock.now + $0 }
        if task.document.files.contains(where: { $0.sha256 == nil }) || task.document.files.isEmpty {
            task = try await client.retryingWhileAway(until: deadline) { () async throws(LocalAPIClientError) in
                try await client.fetchResults(first.document.id)
            }
        }
        while task.document.files.contains(where: \.isOnItsWay), deadline.map({ ContinuousClock.now < $0 }) ?? true {
            progress?.wait(for: task.document.files.count(where: \.isOnItsWay))
            try await Task.sleep(for: .milliseconds(300))
            task = try await client.retryingWhileAway(until: deadline) { () async throws(LocalAPIClientError) in
                try await client.task(first.document.id)
            }
        }
        try makeDirectory()
        var paths: [String] = []
        for file in task.document.files {
            guard let sha256 = file.sha256, let name = file.path?.split(separator: "/").last.map(String.init) else {
                let reason = file.error ?? "it is not fetched yet."
                progress?.end()
                if !isQuiet { StandardError.write("A result is \(file.state): \(reason.printable)\n") }
                continue
            }
            let path = directory == "." ? name : "\(directory)/\(name)"
            try await copy(sha256, of: file.sizeBytes, to: path) { progress?.show(name, $0, of: file.sizeBytes) }
            paths.append(path)
        }
        let files = task.document.files
        let isLate = files.contains(where: \.isOnItsWay)
        return Copies(
            task: task, paths: paths,
            status: paths.count == files.count ? nil : isLate ? .timedOut : .unsuccessful)
    }

    /// The same; nil if the results have no files.
    func fetchIfAny(of task: Answer<TaskDocument>, withJSON isQuiet: Bool) async throws -> Copies? {
        let kinds = Set(task.document.results.map(\.kind))
        guard kinds.contains("url") || kinds.contains("data") else { return nil }
        do {
            return try await fetch(of: task, withJSON: isQuiet)
        } catch LocalAPIClientError.problem(let problem)
            where problem.code == "nothing_to_fetch" && !kinds.contains("url")
        {
            // Short data is in the record alone.
            return nil
        }
    }

    private func makeDirectory() throws {
        do {
            try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        } catch {
            throw RefusedInput(message: "The directory \(directory) cannot be made.")
        }
    }

    /// Writes the file under another name first, so that a file with its name is whole and on disk.
    ///
    /// Nothing is read if there is no room for it: the daemon may remove its own file once this has read it.
    private func copy(_ sha256: String, of size: Int?, to path: String, onPart: (_ copied: Int) -> Void) async throws {
        let part = path + ".part"
        let descriptor = open(part, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { throw Self.failure(part) }
        defer {
            close(descriptor)
            unlink(part)
        }
        var system = statvfs()
        if let size, fstatvfs(descriptor, &system) == 0, Int(system.f_bavail) * Int(system.f_frsize) < size {
            errno = ENOSPC
            throw Self.failure(part)
        }
        var failure: (any Error)?
        try await client.retryingWhileAway { () async throws(LocalAPIClientError) in
            do {
                try await download(sha256, into: descriptor, at: part, onPart: onPart)
            } catch let error as LocalAPIClientError {
                throw error
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        guard fsync(descriptor) == 0 else { throw Self.failure(part) }
        guard rename(part, path) == 0 else { throw Self.failure(path) }
    }

    /// Writes the whole file from the beginning.
    private func download(
        _ sha256: String, into descriptor: CInt, at part: String, onPart: (_ copied: Int) -> Void
    ) async throws {
        var copied = 0
        try await client.download(sha256) { bytes in
            var rest = bytes[...]
            while !rest.isEmpty {
                let count = rest.withUnsafeBytes { pwrite(descriptor, $0.baseAddress, $0.count, off_t(copied)) }
                if count < 0, errno == EINTR { continue }
                guard count >= 0 else { throw Self.failure(part) }
                rest = rest.dropFirst(count)
                copied += count
            }
            onPart(copied)
        }
        guard ftruncate(descriptor, off_t(copied)) == 0 else { throw Self.failure(part) }
    }

    private static func failure(_ path: String) -> RefusedInput {
        RefusedInput(message: "\(path) cannot be written: \(String(cString: strerror(errno))).")
    }
}

extension TaskDocument {
    /// The files behind the results, in their order.
    var files: [Artefact] { results.compactMap(\.artefact) }
}

extension TaskDocument.Artefact {
    /// Whether the daemon will fetch it.
    var isOnItsWay: Bool { ["waiting", "fetching"].contains(state) }
}
