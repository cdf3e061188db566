import DiskFaults
import Foundation
import Synchronization

/// The disk under the files of one directory: it fails when a test says so, and shows what a crash would leave.
final class Disk {
    /// Asked before every call of the system that changes a file; the error that it fails with, or 0.
    typealias Hook = @Sendable (_ call: String, _ path: String) -> Int32

    private final class State: Sendable {
        let hook = Mutex<Hook?>(nil)
    }

    private let state = State()
    private let number: Int32

    init(of directory: String) {
        // The system tells real paths.
        let real = URL(filePath: directory).resolvingSymlinksInPath().path
        number = pollux_disk_watch(
            real + "/",
            { context, call, path in
                guard let context, let call, let path else { return 0 }
                let state = Unmanaged<State>.fromOpaque(context).takeUnretainedValue()
                return state.hook.withLock { $0 }?(String(cString: call), String(cString: path)) ?? 0
            }, Unmanaged.passUnretained(state).toOpaque())
        precondition(number >= 0, "too many tests watch disks at once")
    }

    deinit { pollux_disk_unwatch(number) }

    /// Does as the hook says from now on; nil ends it.
    func hook(_ hook: Hook?) { state.hook.withLock { $0 = hook } }

    /// The next so many syncs of the log fail, as a disk that breaks.
    func failSyncs(_ count: Int) {
        let left = Countdown(count)
        hook { call, path in call == "fdatasync" && path.hasSuffix("-wal") && left.isRunning() ? EIO : 0 }
    }

    /// Copies what a crash at this moment would leave of a database: the files, and nothing of any memory.
    static func copy(_ path: String, to copy: String, parts: [String] = ["", "-wal", "mark"]) throws {
        for part in parts {
            let from = part == "mark" ? mark(of: path) : path + part
            let to = part == "mark" ? mark(of: copy) : copy + part
            if let bytes = FileManager.default.contents(atPath: from) { try bytes.write(to: URL(filePath: to)) }
        }
    }

    static func mark(of path: String) -> String { String(path.dropLast(".sqlite".count)) + ".generation" }
}

/// True so many times.
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
