/// The result of a reload.
package struct ReloadDocument: ContractDocument {
    package var settings = SettingsDocument()
    /// The names of settings, definition files and tokens that changed.
    package var changed: [String] = []
    /// Whole sentences.
    package var warnings: [String] = []

    package init() {}

    package init(settings: SettingsDocument, changed: [String], warnings: [String]) {
        self.settings = settings
        self.changed = changed
        self.warnings = warnings
    }

    package mutating func code(_ coder: inout MemberCoder) throws(ContractError) {
        try coder.required("settings", &settings)
        try coder.member("changed", &changed)
        try coder.member("warnings", &warnings)
    }
}

/// Identifies the current settings.
package struct SettingsDocument: ContractDocument {
    /// Equal for equal settings and definitions.
    package var digest = ""
    /// RFC 3339.
    package var loadedAt = ""

    package init() {}

    package init(digest: String, loadedAt: String) {
        self.digest = digest
        self.loadedAt = loadedAt
    }

    package mutating func code(_ coder: inout MemberCoder) throws(ContractError) {
        try coder.required("digest", &digest)
        try coder.required("loaded_at", &loadedAt)
    }
}
