import Text
import Yams

/// The entries of `pollux.yaml` with their positions.
struct SettingsFile {
    /// One value with its dotted name.
    struct Entry {
        let name: String
        let value: String
        /// The position: "pollux.yaml, line 3".
        let place: String
    }

    /// The only key that is not a setting: the path of the token file.
    static let tokenFileKey = "xhuoapi.token_file"

    /// The list of ``budgets``.
    static let budgetsKey = "budgets"

    /// The section of ``destinations``.
    static let destinationsKey = "notifications.destinations"

    /// The accounts of one provider.
    struct AccountList {
        let provider: String
        let accounts: [AccountSettings]
        let place: String
    }

    private(set) var entries: [Entry] = []
    private(set) var accounts: [AccountList] = []
    /// The destinations of notifications.
    private(set) var destinations: [DestinationSettings] = []

    /// What may be spent.
    private(set) var budgets: [BudgetSettings] = []

    /// Reads the file. An unknown key is an error that suggests the nearest known one.
    init(path: String) throws(DaemonError) {
        let node = try Self.node(of: path)
        // An empty file or one with only comments sets nothing.
        if let node, node.null == nil { try gather(node, prefix: "", path: path) }
    }

    /// Reads only `state_directory` and `socket`, for clients. Ignores errors in the rest of the file.
    static func places(in path: String) throws(DaemonError) -> [Entry] {
        let mapping = try node(of: path)?.mapping
        return ["state_directory", "socket"].compactMap { name in
            mapping?[name]?.scalar.map { Entry(name: name, value: $0.string, place: path) }
        }
    }

    private static func node(of path: String) throws(DaemonError) -> Node? {
        guard let yaml = TextFile.text(of: path) else {
            throw .badSetting("The settings file \(path) cannot be read. Does it exist, and may you read it?")
        }
        do {
            return try Yams.compose(yaml: yaml)
        } catch {
            throw .badSetting("The settings file \(path) is not YAML\(words(for: error))")
        }
    }

    private static func words(for error: any Error) -> String {
        switch error as? YamlError {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            ": line \(mark.line): \(problem)."
        case .duplicatedKeysInMapping(let duplicates, let context):
            ": line \(context.mark.line): \(duplicates.sorted().joined(separator: ", ")) is given twice in one place."
        default: "."
        }
    }

    private mutating func gather(
        _ node: Node, prefix: String, path: String
    ) throws(DaemonError) {
        let place = "\(path), line \(node.mark?.line ?? 1)"
        guard case .mapping(let mapping) = node else {
            throw .badSetting("\(place): \(prefix.isEmpty ? "the file" : prefix) must be a list of names with values.")
        }
        for (key, value) in mapping {
            let name = (prefix.isEmpty ? "" : prefix + ".") + (key.string ?? "?")
            let place = "\(path), line \(key.mark?.line ?? 1)"
            if name == Self.budgetsKey {
                if value.null == nil { budgets = try BudgetSettings.list(of: value, place: place, path: path) }
            } else if name == Self.destinationsKey {
                guard value.null == nil else { continue }
                guard let list = value.mapping else {
                    throw .badSetting("\(place): \(name) must be a list of names with values.")
                }
                for (key, value) in list { destinations.append(try DestinationSettings(key, value, path: path)) }
            } else if Self.known.contains(name) || Self.providerKey(name) != nil {
                guard let scalar = value.scalar, value.null == nil else {
                    throw .badSetting("\(place): \(name) must have one value.")
                }
                entries.append(Entry(name: name, value: scalar.string, place: place))
            } else if let provider = Self.accountsProvider(name) {
                let list = try AccountSettings.list(of: value, setting: name, place: place, path: path)
                guard !accounts.contains(where: { $0.provider == provider }) else {
                    throw .badSetting("\(place): \(name) is set twice: xhuoapi.accounts is its other name.")
                }
                accounts.append(AccountList(provider: provider, accounts: list, place: place))
            } else if Self.known.contains(where: { $0.hasPrefix(name + ".") }) || Self.isProviderSection(name) {
                if value.null == nil { try gather(value, prefix: name, path: path) }
            } else {
                throw .badSetting("\(place): \(Self.refusal(of: name))")
            }
        }
    }

    /// Parses `providers.NAME.base_url` and `providers.NAME.token_file`.
    static func providerKey(_ name: String) -> (provider: String, key: String)? {
        let parts = name.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0] == "providers", ["base_url", "token_file"].contains(parts[2]) else {
            return nil
        }
        return (String(parts[1]), String(parts[2]))
    }

    /// The provider in `providers.NAME.accounts`, or in its other name `xhuoapi.accounts`.
    private static func accountsProvider(_ name: String) -> String? {
        if name == "xhuoapi.accounts" { return "xhuoapi" }
        let parts = name.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 3 && parts[0] == "providers" && parts[2] == "accounts" ? String(parts[1]) : nil
    }

    private static func isProviderSection(_ name: String) -> Bool {
        let parts = name.split(separator: ".", omittingEmptySubsequences: false)
        return parts.first == "providers" && parts.count <= 2
    }

    private static var known: [String] { Setting.all.map(\.name) + [tokenFileKey, destinationsKey, budgetsKey] }

    private static func refusal(of name: String) -> String {
        if name.hasSuffix("token") {
            return
                "a token must not be in a settings file. Set XHUOAPI_TOKEN, or name a file with xhuoapi.token_file."
        }
        let sections = Set(known.compactMap { $0.contains(".") ? String($0.prefix { $0 != "." }) : nil })
        let nearest =
            NearestName.of(name, among: known + sections.sorted()).map { " Did you mean \"\($0)\"?" } ?? ""
        return "there is no setting \"\(name)\".\(nearest)"
    }
}
