import FoundationEssentials

/// LockNote is what a lock file says of the daemon that holds the lock: its process, and its socket on a second line.
struct LockNote {
    let pid: Int32
    /// Nil in a lock that guards nothing but the socket itself, and in those of older versions.
    let socket: String?

    init(pid: Int32, socket: String?) {
        self.pid = pid
        self.socket = socket
    }

    /// Reads a note; nil for what is none.
    init?(_ text: String) {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        guard let pid = lines.first.flatMap({ Int32($0) }) else { return nil }
        self.pid = pid
        socket = lines.dropFirst().first.flatMap { $0.hasPrefix("/") ? String($0) : nil }
    }

    /// Reads the note in a lock file; nil where there is none.
    init?(file: String) {
        guard let data = FileManager.default.contents(atPath: file) else { return nil }
        self.init(String(decoding: data, as: UTF8.self))
    }

    /// As it is written.
    var text: String { "\(pid)\n" + (socket.map { $0 + "\n" } ?? "") }
}
