import DiskFaults
import Foundation
import Synchronization

/// Injects faults into file system calls below a directory, and copies files as a crash would leave them.
final class Disk {
    /// Called before every system call that changes a file. Returns the error with which it fails, or 0.
    typealias Hook = @Sendable (_ call: String, _ path: String) -> Int32

    private final class State: Sendable {
        let hook = Mutex<Hook?>(nil)
    }

    private let state = State()
    private let number: Int32

    init(of directory: String) {
        // System calls have resolved paths.
        let real = URL(filePath: directory).resolvingSymlinksInPath().path
        number = pollux_disk_watch(
            real + "/",
            { context, call, path in
                guard let context, let call, let path else { return 0 }
                let state = Unmanaged<State>.fromOpaque(context).takeUnretainedValue()
                return state.hook.withLock { $0 }?(String(cString: call), String(cString: path)) ?? 0
            }, Unmanaged.passUnretained(state).toOpaque())
        precondition(number >= 0, "too many tests watch a disk at the same time")
    }

    deinit { pollux_disk_unwatch(number) }

    /// Sets the hook; nil removes it.
    func hook(_ hook: Hook?) { state.hook.withLock { $0 = hook } }

    /// Fails the next syncs of the write-ahead log.
    func failSyncs(_ count: Int) {
        let left = Countdown(count)
        hook { call, path in call == "fdatasync" && path.hasSuffix("-wal") && left.isRunning() ? EIO : 0 }
    }

    /// Copies a database's files as a crash at this moment would leave them.
    static func copy(_ path: String, to copy: String, parts: [String] = ["", "-wal", "mark"]) throws {
        for part in parts {
            let from = part == "mark" ? mark(of: path) : path + part
            let to = part == "mark" ? mark(of: copy) : copy + part
            if let bytes = FileManager.default.contents(atPath: from) { try bytes.write(to: URL(filePath: to)) }
        }
    }

    static func mark(of path: String) -> String { String(path.dropLast(".sqlite".count)) + ".generation" }
}

/// Returns true for the first `count` calls.
private final class Countdown: Sendable {
    private let left: Mutex<Int>

    init(_ count: Int) {
        left = Mutex(count)
    }

    func isRunning() -> Bool {
        left.withLock { left in
            left -= 1
            return left >= 0
        }
    }
}
