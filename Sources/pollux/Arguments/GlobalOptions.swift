import ArgumentParser

/// The options of every command that uses the socket.
struct GlobalOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The daemon's socket.",
            discussion: """
                Else POLLUX_SOCKET, else pollux/pollux.sock in $XDG_RUNTIME_DIR, else pollux.sock in the state \
                directory.
                """,
            valueName: "path"),
        completion: .file())
    var socket: String?

    @Flag(help: "Print the API's own JSON document.")
    var json = false

    @Option(
        name: .customLong("no-daemon-grace"),
        help: ArgumentHelp(
            "How long to wait for a daemon that goes away.",
            valueName: "seconds", visibility: .hidden),
        transform: DurationArgument.parse)
    var patience: Duration = .seconds(30)
}
