import ArgumentParser

/// The options that every command of the socket takes.
struct GlobalOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Where the daemon listens.",
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
            "How long a daemon that goes away meanwhile may take to come back, before this gives up.",
            valueName: "seconds", visibility: .hidden),
        transform: DurationArgument.parse)
    var patience: Duration = .seconds(30)
}
