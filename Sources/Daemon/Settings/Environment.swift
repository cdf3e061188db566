extension [String: String] {
    /// The variables that are not blank. Compose files and templates pass blank ones for unset values.
    package var withoutBlanks: [String: String] {
        filter { $0.value.contains { !$0.isWhitespace } }
    }
}
