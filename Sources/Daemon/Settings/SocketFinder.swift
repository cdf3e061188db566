import FoundationEssentials

/// Finds the daemon's socket for a client, with the rules by which the daemon chooses it.
package enum SocketFinder {
    /// Returns the socket path: the given one, else that of the daemon's settings, else the default.
    ///
    /// A daemon that was started in another session or with a flag may use another socket. The lock in its state
    /// directory contains that socket, which is used if the expected one does not respond.
    package static func path(
        option: String?, environment: [String: String], answers: (String) -> Bool
    ) throws(DaemonError) -> String {
        let environment = environment.withoutBlanks
        let places = XDGDirectories(environment: environment)
        if let path = option ?? environment["POLLUX_SOCKET"] { return places.absolute(path) }
        var entries: [SettingsFile.Entry] = []
        if let file = SettingsLoader.fileToRead(flags: DaemonFlags(), environment: environment, places: places) {
            entries = try SettingsFile.places(in: file)
        }
        func entry(_ name: String) -> String? { entries.last { $0.name == name }?.value }
        let state = (environment["POLLUX_STATE_DIR"] ?? entry("state_directory") ?? places.stateDirectory)
            .map(places.absolute)
        guard let expected = entry("socket").map(places.absolute) ?? SettingsLoader.usualSocket(places, state: state)
        else { throw .noHome(for: "socket", instead: "--socket or POLLUX_SOCKET") }
        guard let state, let told = LockNote(file: state + "/pollux.lock")?.socket, told != expected,
            !answers(expected), answers(told)
        else { return expected }
        return told
    }
}
