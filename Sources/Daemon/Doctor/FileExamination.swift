import Artefacts
import FoundationEssentials
import TaskEngine

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// FileExamination checks the modes and owners of the daemon's files, and the room on its disks.
struct FileExamination {
    let settings: DaemonSettings
    /// Whether the daemon runs, so that its files must be there.
    let isRunning: Bool
    /// The listeners whose sockets a service manager opened. It decides who may open them, and creates them again.
    var inherited: Set<Listeners.Name> = []

    /// Below this, little is left for the database, and a full disk stops everything.
    static let enough: Int64 = 1_000_000_000

    var findings: [Finding] {
        let files = directory() + secrets() + sockets()
        let sound = Finding(
            .files, .ok, "Only this user can read the state directory, its files and the private files.")
        return (files.isEmpty ? [sound] : files) + [disk()] + artefacts()
    }

    private func trouble(_ path: String, _ message: String) -> Finding { Finding(.files, path, .trouble, message) }

    // MARK: Modes

    private func directory() -> [Finding] {
        let path = settings.stateDirectory
        guard let status = Self.status(of: path) else {
            return isRunning
                ? [
                    trouble(
                        path,
                        "The state directory is gone, so nothing is stored. Put it back, or stop the daemon and restore a backup."
                    )
                ] : []
        }
        guard status.isDirectory else {
            return [
                trouble(
                    path,
                    "The state directory is no directory, so the daemon cannot start. Move the file away, or choose another state_directory."
                )
            ]
        }
        var findings: [Finding] = []
        if status.owner != geteuid() {
            findings.append(
                trouble(
                    path,
                    "The state directory belongs to another user, so this one cannot trust it. Run chown \(geteuid()) \(path), or choose another state_directory."
                ))
        }
        if status.mode & 0o077 != 0 {
            findings.append(
                trouble(
                    path,
                    "Other users can enter the state directory, where requests and results are. Run chmod 700 \(path).")
            )
        }
        for name in ["pollux.sqlite", "pollux.sqlite-wal", "pollux.sqlite-shm", "pollux.lock", "witness", "journal"] {
            findings += openFile(path + "/" + name, "holds requests and results")
        }
        return findings
    }

    /// Files with secrets. Those with tokens are warned of when the settings are read.
    private func secrets() -> [Finding] {
        var findings: [Finding] = []
        for path in settings.tokenFiles.keys.sorted() where access(path, R_OK) != 0 {
            findings.append(
                trouble(
                    path,
                    "The file cannot be read any more, so the next start or reload fails. Put it back with its token, and run chmod 600 on it."
                ))
        }
        for path in [settings.callbacks.keyFile, settings.gateway.keyFile, settings.dashboard.keyFile].compactMap(
            \.self)
        {
            findings += openFile(path, "holds the private key of a certificate")
        }
        return findings
    }

    private func sockets() -> [Finding] {
        guard isRunning else { return [] }
        let sockets: [(Listeners.Name, String?)] = [
            (.socket, settings.socketPath), (.gatewaySocket, settings.gateway.socket),
        ]
        return sockets.flatMap { name, path in path.map { socket($0, isInherited: inherited.contains(name)) } ?? [] }
    }

    private func socket(_ path: String, isInherited: Bool) -> [Finding] {
        guard let status = Self.status(of: path) else {
            let cure =
                isInherited
                ? "Restart its socket unit (systemctl restart pollux.socket)"
                : "It is created again within four seconds"
            return [
                trouble(
                    path, "The socket is gone, so no program reaches the daemon. \(cure); find out what deletes it.")
            ]
        }
        guard isInherited else { return openFile(path, "lets every program that can open it spend money") }
        return status.mode & 0o007 == 0
            ? []
            : [
                trouble(
                    path,
                    "Every user can open the socket and spend money. Give its socket unit SocketMode=0660 and a SocketGroup=, and restart it."
                )
            ]
    }

    private func openFile(_ path: String, _ why: String) -> [Finding] {
        guard let status = Self.status(of: path), status.mode & 0o077 != 0 else { return [] }
        return [trouble(path, "Other users can open this file, which \(why). Run chmod 600 \(path).")]
    }

    // MARK: Room

    private func disk() -> Finding {
        var path = settings.stateDirectory
        // Before the first start, the nearest directory that exists says which disk it will be.
        while Self.status(of: path) == nil, let slash = path.lastIndex(of: "/"), slash > path.startIndex {
            path = String(path[..<slash])
        }
        guard let room = Self.room(at: path) else {
            return Finding(.disk, path, .unchecked, "The free space of \(path) cannot be read.")
        }
        guard room.free >= Self.enough else {
            return Finding(
                .disk, path, .trouble,
                "The disk has only \(room.free >> 20) MiB free, and on a full disk nothing is stored or sent. Make room, or shorten the retention and run pollux prune."
            )
        }
        if room.files == 0 {
            return Finding(
                .disk, path, .trouble,
                "The disk has no room for more files (inodes), so the database cannot grow. Remove files.")
        }
        return Finding(.disk, path, .ok, "The disk has \(room.free >> 20) MiB free.")
    }

    private func artefacts() -> [Finding] {
        guard settings.artefacts.isOn else { return [] }
        let path = settings.artefactDirectory ?? settings.stateDirectory + "/artefacts"
        guard let status = Self.status(of: path), let room = Self.room(at: path) else { return [] }
        guard status.isDirectory, access(path, W_OK | X_OK) == 0 else {
            return [
                Finding(
                    .artefacts, path, .trouble,
                    "Files of results cannot be written there, so their addresses expire before they are saved. Make \(path) a directory of this user, or set artefacts.directory."
                )
            ]
        }
        let keepFree = settings.artefactLimits.keepFree
        guard room.free > keepFree else {
            return [
                Finding(
                    .artefacts, path, .trouble,
                    "No file of a result is fetched: \(room.free >> 20) MiB are free, and artefacts.keep_free keeps \(keepFree >> 20) MiB. Make room, or lower artefacts.keep_free and run pollux reload."
                )
            ]
        }
        return []
    }

    // MARK: The system

    private struct Status {
        let mode: UInt32
        let owner: uid_t
        let isDirectory: Bool
    }

    private static func status(of path: String) -> Status? {
        var facts = stat()
        guard stat(path, &facts) == 0 else { return nil }
        return Status(mode: UInt32(facts.st_mode), owner: facts.st_uid, isDirectory: facts.st_mode & S_IFMT == S_IFDIR)
    }

    private static func room(at path: String) -> (free: Int64, files: UInt64)? {
        var system = statvfs()
        guard statvfs(path, &system) == 0 else { return nil }
        // Some file systems do not count files, and say 0 of 0.
        return (
            Int64(clamping: UInt64(system.f_bavail) * UInt64(system.f_frsize)),
            system.f_files == 0 ? .max : UInt64(system.f_favail)
        )
    }
}
