/// Where the daemon's socket is: the option, else the environment, else the place that the XDG directories give.
struct SocketLocation {
    let path: String

    init(option: String?, environment: [String: String]) {
        func value(_ name: String) -> String? { environment[name].flatMap { $0.isEmpty ? nil : $0 } }

        if let path = option ?? value("POLLUX_SOCKET") {
            self.path = path
        } else if let runtime = value("XDG_RUNTIME_DIR") {
            path = runtime + "/pollux/pollux.sock"
        } else if let state = value("POLLUX_STATE_DIR") {
            path = state + "/pollux.sock"
        } else if let state = value("XDG_STATE_HOME") {
            path = state + "/pollux/pollux.sock"
        } else {
            path = (value("HOME") ?? "") + "/.local/state/pollux/pollux.sock"
        }
    }
}
