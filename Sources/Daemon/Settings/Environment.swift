extension [String: String] {
    /// The variables that say something: compose files and templates hand on blank ones for those that are not set.
    package var withoutBlanks: [String: String] {
        filter { $0.value.contains { !$0.isWhitespace } }
    }
}
