/// The version of this program, which `--version` and the daemon's status show.
enum Version {
    static let current = "0.1.0"
}
