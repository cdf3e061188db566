package import TaskModel

/// Reloads the settings of the running daemon.
package protocol SettingsReloading: Sendable {
    /// The current settings.
    var loaded: LoadedSettings { get }

    /// Applies the settings and definitions on disk, all of them or none.
    func reload() async throws(ReloadRefusal) -> Reload
}

/// Identifies the current settings.
package struct LoadedSettings: Sendable, Hashable {
    /// Equal for equal settings and definitions.
    package let digest: String
    package let loadedAt: Timestamp

    package init(digest: String, loadedAt: Timestamp) {
        self.digest = digest
        self.loadedAt = loadedAt
    }
}

/// The result of a reload.
package struct Reload: Sendable, Hashable {
    package let settings: LoadedSettings
    /// The names of settings, definition files and tokens that changed.
    package let changes: [String]
    /// Whole sentences.
    package let warnings: [String]

    package init(settings: LoadedSettings, changes: [String], warnings: [String]) {
        self.settings = settings
        self.changes = changes
        self.warnings = warnings
    }
}

/// Why a reload was refused. Nothing was changed.
package enum ReloadRefusal: Error, Sendable, Hashable {
    /// A setting or definition is invalid; a whole sentence.
    case invalid(String)
    /// These settings have changed, but apply only at a start.
    case needsRestart([String])
    /// The store could not record them; its code and message.
    case notStored(code: String, message: String)

    package var message: String {
        switch self {
        case .invalid(let message), .notStored(_, let message): message
        case .needsRestart(let names):
            "\(names.joined(separator: ", ")) changed, which needs a restart of the daemon. Restart it, or undo that change and reload the rest."
        }
    }
}
