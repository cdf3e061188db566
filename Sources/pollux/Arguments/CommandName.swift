import ArgumentParser
import LocalAPIContract
import Text

/// Checks the first argument.
enum CommandName {
    /// Rejects an unknown command and suggests the nearest one. The parser would only report an unexpected argument.
    static func check(_ arguments: [String]) throws(ValidationError) {
        guard let word = arguments.first, !word.hasPrefix("-") else { return }
        let known = Pollux.configuration.subcommands.map { $0._commandName } + ["help"]
        guard !known.contains(word) else { return }
        let hint = NearestName.of(word, among: known).map { " Did you mean `pollux \($0)`?" } ?? ""
        throw ValidationError("There is no command \"\(word)\".\(hint)")
    }
}
