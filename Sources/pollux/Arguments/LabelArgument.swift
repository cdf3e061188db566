import ArgumentParser

/// One `--label key=value`.
struct LabelArgument: ExpressibleByArgument {
    let name: String
    let value: String

    init?(argument: String) {
        guard let equals = argument.firstIndex(of: "="), equals != argument.startIndex else { return nil }
        name = String(argument[..<equals])
        value = String(argument[argument.index(after: equals)...])
    }

    /// The labels as a dictionary. A repeated name is rejected.
    static func dictionary(_ labels: [LabelArgument]) throws -> [String: String] {
        var dictionary: [String: String] = [:]
        for label in labels where dictionary.updateValue(label.value, forKey: label.name) != nil {
            throw ValidationError("--label gives '\(label.name)' twice.")
        }
        return dictionary
    }
}
