/// Lets global options precede the command: `pollux --json list`.
enum LeadingOptions {
    /// Moves `--json` and `--socket` from before the command's name to after it.
    static func moved(_ arguments: [String]) -> [String] {
        var rest = arguments[...]
        var leading: [String] = []
        while let option = rest.first {
            if option == "--socket", rest.count > 1 {
                leading += rest.prefix(2)
                rest = rest.dropFirst(2)
            } else if option == "--json" || option.hasPrefix("--socket=") {
                leading.append(option)
                rest = rest.dropFirst()
            } else {
                break
            }
        }
        guard let command = rest.first, !command.hasPrefix("-") else { return arguments }
        return [command] + leading + rest.dropFirst()
    }
}
