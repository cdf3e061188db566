import FoundationEssentials

/// Where things are by the XDG base directory specification, version 0.8.
struct StandardPlaces {
    let stateDirectory: String
    let settingsFile: String
    /// In the runtime directory, where there is one.
    let runtimeSocket: String?
    private let home: String

    init(environment: [String: String]) {
        home = environment["HOME"] ?? "/"
        // The specification wants relative paths ignored.
        func directory(_ name: String) -> String? { environment[name].flatMap { $0.hasPrefix("/") ? $0 : nil } }
        stateDirectory = (directory("XDG_STATE_HOME") ?? home + "/.local/state") + "/pollux"
        settingsFile = (directory("XDG_CONFIG_HOME") ?? home + "/.config") + "/pollux/pollux.yaml"
        runtimeSocket = directory("XDG_RUNTIME_DIR").map { $0 + "/pollux/pollux.sock" }
    }

    /// The path from the root, with `~` for the home directory, no slash at its end.
    func absolute(_ path: String) -> String {
        var path = path
        if path == "~" || path.hasPrefix("~/") { path = home + path.dropFirst() }
        if !path.hasPrefix("/") { path = FileManager.default.currentDirectoryPath + "/" + path }
        while path.count > 1, path.hasSuffix("/") { path.removeLast() }
        return path
    }
}
