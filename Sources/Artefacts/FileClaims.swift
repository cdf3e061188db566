/// Which files of one kind must stay for now, and which are being removed. No file is both.
struct FileClaims {
    /// Files that were brought and whose rows are not stored yet, and how often.
    private var unsettled: [String: Int] = [:]
    /// Files that are being removed.
    private var leaving: Set<String> = []

    /// Makes a file stay; false if it is being removed.
    mutating func hold(_ sha256: String) -> Bool {
        guard !leaving.contains(sha256) else { return false }
        unsettled[sha256, default: 0] += 1
        return true
    }

    /// Ends what one ``hold(_:)`` began.
    mutating func settle(_ sha256: String) {
        let rest = (unsettled[sha256] ?? 1) - 1
        unsettled[sha256] = rest > 0 ? rest : nil
    }

    /// Begins the removal of a file; false if it must stay, or is being removed already.
    mutating func beginRemoval(_ sha256: String) -> Bool {
        unsettled[sha256] == nil && leaving.insert(sha256).inserted
    }

    mutating func endRemoval(_ sha256: String) { leaving.remove(sha256) }
}
