/// The version of this program, as `--version` and the daemon's status say it.
enum Version {
    static let current = "0.1.0"
}
