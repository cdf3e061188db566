import TaskModel

/// Why a provider's definition cannot be used.
package enum CatalogError: UserFacingError, Hashable {
    /// The text is not YAML.
    case notYAML(file: String, line: Int?, problem: String)
    /// A field is unknown, missing, or has an invalid value.
    case badField(file: String, line: Int?, field: String, problem: String)
    /// Two definitions define the same name.
    case defined(twice: String, file: String, line: Int?)

    package var code: String { "definition_invalid" }

    package var message: String {
        switch self {
        case .notYAML(let file, let line, let problem):
            "\(Self.place(file, line)): not valid YAML: \(problem). Correct the file and try again."
        case .badField(let file, let line, let field, let problem):
            "\(Self.place(file, line)): \(field): \(problem). Correct the file and try again."
        case .defined(let name, let file, let line):
            "\(Self.place(file, line)): \(name) is defined a second time. Remove one of the two definitions."
        }
    }

    private static func place(_ file: String, _ line: Int?) -> String {
        line.map { "\(file), line \($0)" } ?? file
    }
}
