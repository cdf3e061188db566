import FoundationEssentials
#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Determines the directories of the XDG base directory specification, version 0.8.
///
/// The daemon and its clients both use it, so that they agree.
struct XDGDirectories {
    /// The state directory; nil if no home directory is known.
    let stateDirectory: String?
    /// The settings file; nil if no home directory is known.
    let settingsFile: String?
    /// The socket in the runtime directory; nil if there is none or it belongs to another user.
    let runtimeSocket: String?
    /// Why a runtime directory is not used, as a whole sentence.
    let runtimeProblem: String?
    /// Whether HOME is missing, so that the home directory comes from the user database or is unknown.
    let lacksHome: Bool
    private let home: String?

    /// `userHome` is the home directory in the user database.
    init(environment: [String: String], userHome: String? = Self.homeInUserDatabase()) {
        // The specification requires that relative paths are ignored. HOME is treated alike.
        func directory(_ name: String) -> String? { environment[name].flatMap { $0.hasPrefix("/") ? $0 : nil } }
        let home = directory("HOME") ?? userHome.flatMap { $0.hasPrefix("/") ? $0 : nil }
        self.home = home
        lacksHome = directory("HOME") == nil
        stateDirectory = (directory("XDG_STATE_HOME") ?? home.map { $0 + "/.local/state" }).map { $0 + "/pollux" }
        settingsFile = (directory("XDG_CONFIG_HOME") ?? home.map { $0 + "/.config" }).map { $0 + "/pollux/pollux.yaml" }
        let runtime = directory("XDG_RUNTIME_DIR")
        let problem = runtime.flatMap(Self.problem(withRuntime:))
        runtimeSocket = problem == nil ? runtime.map { $0 + "/pollux/pollux.sock" } : nil
        runtimeProblem = problem
    }

    /// The absolute path, with `~` for the home directory and without a slash at its end.
    func absolute(_ path: String) -> String {
        var path = path
        if let home, path == "~" || path.hasPrefix("~/") { path = home + path.dropFirst() }
        if !path.hasPrefix("/") { path = FileManager.default.currentDirectoryPath + "/" + path }
        while path.count > 1, path.hasSuffix("/") { path.removeLast() }
        return path
    }

    /// Why a runtime directory is unusable. The variable may outlive its session (su, tmux, a container), and the
    /// specification requires that the user owns the directory.
    private static func problem(withRuntime path: String) -> String? {
        var facts = stat()
        let reason: String? =
            if stat(path, &facts) != 0 {
                errno == ENOENT ? "does not exist" : "cannot be used (\(String(cString: strerror(errno))))"
            } else if facts.st_mode & S_IFMT != S_IFDIR {
                "is not a directory"
            } else if facts.st_uid != geteuid() {
                "belongs to another user"
            } else {
                nil
            }
        return reason.map {
            "XDG_RUNTIME_DIR is \(path), which \($0), so the socket is in the state directory. Choose another path with --socket or POLLUX_SOCKET."
        }
    }

    private static func homeInUserDatabase() -> String? {
        var entry = passwd()
        var found: UnsafeMutablePointer<passwd>?
        // The largest entry that glibc's own tools expect.
        var texts = [CChar](repeating: 0, count: 1 << 14)
        return texts.withUnsafeMutableBufferPointer { texts in
            guard let start = texts.baseAddress, getpwuid_r(geteuid(), &entry, start, texts.count, &found) == 0,
                found != nil, let directory = entry.pw_dir
            else { return nil }
            return String(cString: directory)
        }
    }
}
