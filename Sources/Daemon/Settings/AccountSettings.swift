package import TaskModel
import Text
import Yams

/// One account in `providers.NAME.accounts`.
package struct AccountSettings: Sendable, Hashable {
    package let name: AccountName
    /// The path as written. ``SettingsLoader`` makes it absolute.
    package var tokenFile: String
    /// The maximum number of its tasks in flight; nil for no limit.
    package let maxInFlight: Int?

    /// The text that is compared with the account of another configuration.
    var text: String { "\(name) \(tokenFile) \(maxInFlight.map(String.init) ?? "")" }

    /// Parses the list. `setting` is its name, `place` its line in the file at `path`. Both are for messages.
    static func list(
        of node: Node, setting: String, place: String, path: String
    ) throws(DaemonError) -> [AccountSettings] {
        guard case .sequence(let items) = node, !items.isEmpty else {
            throw .badSetting(
                "\(place): \(setting) must be a list with at least one account, as in [{name: main, token_file: /etc/pollux/main}]."
            )
        }
        var accounts: [AccountSettings] = []
        for item in items {
            let place = "\(path), line \(item.mark?.line ?? 1)"
            let account = try AccountSettings(item, setting: setting, place: place)
            guard !accounts.contains(where: { $0.name == account.name }) else {
                throw .badSetting("\(place): \(setting) has two accounts with the name \"\(account.name)\".")
            }
            accounts.append(account)
        }
        return accounts
    }

    private static let keys = ["name", "token_file", "max_in_flight"]

    private init(_ node: Node, setting: String, place: String) throws(DaemonError) {
        guard case .mapping(let mapping) = node else {
            throw .badSetting("\(place): each account of \(setting) must have a name and a token_file.")
        }
        var values: [String: String] = [:]
        for (key, value) in mapping {
            let key = key.string ?? "?"
            guard Self.keys.contains(key) else {
                let nearest = NearestName.of(key, among: Self.keys).map { " Did you mean \"\($0)\"?" } ?? ""
                let token = key.hasSuffix("token") ? " Do not put a token into a settings file." : ""
                throw .badSetting("\(place): an account of \(setting) has no \"\(key)\".\(token)\(nearest)")
            }
            guard let scalar = value.scalar, value.null == nil else {
                throw .badSetting("\(place): \(key) of an account of \(setting) must have one value.")
            }
            values[key] = scalar.string
        }
        guard let text = values["name"], let tokenFile = values["token_file"], !tokenFile.isEmpty else {
            throw .badSetting("\(place): each account of \(setting) must have a name and a token_file.")
        }
        guard let name = AccountName(text) else {
            throw .badSetting(
                "\(place): the name \"\(text)\" of an account of \(setting) must have at most 32 small letters, digits and hyphens, and begin with a letter."
            )
        }
        maxInFlight = try values["max_in_flight"].map { text throws(DaemonError) in
            guard let number = Int(text), (1...100_000).contains(number) else {
                throw Setting.refusal(
                    of: text, for: "max_in_flight of account \(name) in \(setting)", from: place,
                    rule: "a whole number from 1 to 100000")
            }
            return number
        }
        self.name = name
        self.tokenFile = tokenFile
    }
}
