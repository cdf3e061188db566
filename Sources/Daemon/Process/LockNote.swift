import FoundationEssentials

/// The contents of a lock file: the daemon's pid and, on a second line, its socket.
struct LockNote {
    let pid: Int32
    /// The socket; nil in locks that protect only the socket, and in locks of older versions.
    let socket: String?

    init(pid: Int32, socket: String?) {
        self.pid = pid
        self.socket = socket
    }

    /// Parses the contents; nil if they are not valid.
    init?(_ text: String) {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        guard let pid = lines.first.flatMap({ Int32($0) }) else { return nil }
        self.pid = pid
        socket = lines.dropFirst().first.flatMap { $0.hasPrefix("/") ? String($0) : nil }
    }

    /// Reads a lock file; nil if it is missing or invalid.
    init?(file: String) {
        guard let data = FileManager.default.contents(atPath: file) else { return nil }
        self.init(String(decoding: data, as: UTF8.self))
    }

    var text: String { "\(pid)\n" + (socket.map { $0 + "\n" } ?? "") }
}
