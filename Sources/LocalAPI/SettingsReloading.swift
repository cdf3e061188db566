package import TaskModel

/// Reads the settings of the running daemon again.
package protocol SettingsReloading: Sendable {
    /// The settings in force.
    var loaded: LoadedSettings { get }

    /// Applies the settings and definitions as they are on disk now, all of them or none.
    func reload() async throws(ReloadRefusal) -> Reload
}

/// Which settings are in force.
package struct LoadedSettings: Sendable, Hashable {
    /// The same for the same settings and definitions.
    package let digest: String
    package let loadedAt: Timestamp

    package init(digest: String, loadedAt: Timestamp) {
        self.digest = digest
        self.loadedAt = loadedAt
    }
}

/// What a reload did.
package struct Reload: Sendable, Hashable {
    package let settings: LoadedSettings
    /// The names of settings, definition files and tokens that differ from before.
    package let changes: [String]
    /// Whole sentences.
    package let warnings: [String]

    package init(settings: LoadedSettings, changes: [String], warnings: [String]) {
        self.settings = settings
        self.changes = changes
        self.warnings = warnings
    }
}

/// Why a reload was refused. Nothing has changed.
package enum ReloadRefusal: Error, Sendable, Hashable {
    /// A setting or definition is invalid; a whole sentence.
    case invalid(String)
    /// These settings have changed, and apply at a start only.
    case needsRestart([String])

    package var message: String {
        switch self {
        case .invalid(let message): message
        case .needsRestart(let names):
            "\(names.joined(separator: ", ")) changed, which needs a restart of the daemon. Restart it, or undo that change and reload the rest."
        }
    }
}
