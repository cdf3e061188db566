package import TaskModel
import VerbatimJSON

/// SettingsHistory is what lost attempts need of former settings.
///
/// A list that is read at another base URL, or with another token, may lack what was sent before. An attempt of an earlier
/// process may have taken as long as the timeout of that time.
package struct SettingsHistory: Sendable, Equatable {
    /// The base URL of each provider in the latest settings that had one.
    private var baseURLs: [ProviderName: String] = [:]
    /// A digest of each account's token in the latest settings that had one.
    private var tokenDigests: [ProviderAccount: String] = [:]
    /// When those have changed, the earliest change first.
    private var moves: [ProviderName: [Timestamp]] = [:]
    private var tokenChanges: [ProviderAccount: [Timestamp]] = [:]
    /// The longest timeout of each endpoint's paid requests in any settings.
    private var timeouts: [EndpointName: Duration] = [:]

    package init() {}

    /// Takes the settings of now. A provider or account that they lack keeps what it had.
    package mutating func take(
        baseURLs next: [ProviderName: String], tokenDigests: [ProviderAccount: String],
        timeouts: [EndpointName: Duration], at now: Timestamp
    ) {
        Self.take(next, into: &baseURLs, &moves, at: now)
        Self.take(tokenDigests, into: &self.tokenDigests, &tokenChanges, at: now)
        self.timeouts.merge(timeouts) { max($0, $1) }
    }

    private static func take<Key>(
        _ next: [Key: String], into latest: inout [Key: String], _ changes: inout [Key: [Timestamp]],
        at now: Timestamp
    ) {
        for (key, value) in next {
            guard let former = latest.updateValue(value, forKey: key), former != value else { continue }
            changes[key] = (changes[key, default: []] + [now]).suffix(ListChanges.most)
        }
    }

    /// When the account's base URL or token changed.
    package func listChanges(for account: ProviderAccount) -> ListChanges {
        ListChanges(moves[account.provider, default: []], tokenChanges[account, default: []])
    }

    /// The longest timeout of that endpoint's paid requests in any settings; nil if none had the endpoint.
    package func longestTimeout(of endpoint: EndpointName) -> Duration? { timeouts[endpoint] }
}

/// The times since which an account's list may be another list. What was sent in two of the periods between them may be in two
/// lists.
package struct ListChanges: Sendable {
    /// How many changes are remembered. What was sent before them all is in no known period.
    static let most = 64
    /// A request sent this near to a change may belong to either period: the change is stored before it is in force.
    private static let handover: Duration = .seconds(10)

    private let times: [Timestamp]
    /// The first change that is known; nil if all are.
    private let knownFrom: Timestamp?

    init(_ lists: [Timestamp]...) {
        times = lists.flatMap(\.self)
        knownFrom = lists.filter { $0.count >= Self.most }.compactMap(\.first).max()
    }

    /// Whether a request that was sent then is surely in the list of now.
    package func areAllBefore(_ sentAt: Timestamp) -> Bool { times.allSatisfy { $0 + Self.handover <= sentAt } }

    /// Whether a request that was sent at that time and another one, sent and accepted in that period, are surely in one list.
    package func none(between sentAt: Timestamp, and other: ClosedRange<Timestamp>) -> Bool {
        if let knownFrom, sentAt < knownFrom { return false }
        return times.allSatisfy { change in
            sentAt < change - Self.handover
                ? other.upperBound < change : change + Self.handover <= min(sentAt, other.lowerBound)
        }
    }
}

// MARK: Storage

extension SettingsHistory {
    /// What is stored.
    var text: String {
        JSONValue.object(
            JSONObject([
                ("base_urls", Self.object(baseURLs, \.text, JSONValue.string)),
                ("token_digests", Self.object(tokenDigests, Self.name, JSONValue.string)),
                ("moves_ms", Self.object(moves, \.text, Self.array)),
                ("token_changes_ms", Self.object(tokenChanges, Self.name, Self.array)),
                ("timeouts_ms", Self.object(timeouts, \.text) { .number(JSONNumber(Int($0.wholeMilliseconds))) }),
            ])
        ).text
    }

    /// The history as ``text`` has it.
    init(text: String) throws(TaskStoreError) {
        let json = try StoredDocument.read(text).object
        func values<Key, Value>(
            _ member: String, _ key: (String) -> Key?, _ value: (JSONValue) -> Value?
        ) throws(TaskStoreError) -> [Key: Value] {
            var values: [Key: Value] = [:]
            for member in json?[member]?.object?.members ?? [] {
                guard let key = key(member.name), let value = value(member.value) else {
                    throw .damaged("its history of settings cannot be read")
                }
                values[key] = value
            }
            return values
        }
        baseURLs = try values("base_urls", { ProviderName($0) }, \.string)
        tokenDigests = try values("token_digests", Self.account, \.string)
        moves = try values("moves_ms", { ProviderName($0) }, Self.times)
        tokenChanges = try values("token_changes_ms", Self.account, Self.times)
        timeouts = try values("timeouts_ms", { EndpointName($0) }) { Self.integer($0).map { .milliseconds($0) } }
    }

    private static func object<Key, Value>(
        _ values: [Key: Value], _ name: (Key) -> String, _ json: (Value) -> JSONValue
    ) -> JSONValue {
        .object(JSONObject(values.map { (name($0.key), json($0.value)) }.sorted { $0.0 < $1.0 }))
    }

    /// `provider/account`.
    private static func name(_ owner: ProviderAccount) -> String { "\(owner.provider.text)/\(owner.account.text)" }

    private static func account(_ name: String) -> ProviderAccount? {
        let parts = name.split(separator: "/", maxSplits: 1).map(String.init)
        guard parts.count == 2, let provider = ProviderName(parts[0]) else { return nil }
        return ProviderAccount(provider: provider, account: AccountName(stored: parts[1]))
    }

    private static func array(_ times: [Timestamp]) -> JSONValue {
        .array(times.map { .number(JSONNumber(Int($0.milliseconds))) })
    }

    private static func times(_ json: JSONValue) -> [Timestamp]? {
        json.array?.compactMap { integer($0).map { Timestamp(milliseconds: $0) } }
    }

    private static func integer(_ json: JSONValue) -> Int64? { json.number.flatMap { Int64($0.digits) } }
}

extension TaskStore {
    /// The stored history; an empty one if there is none yet.
    package func settingsHistory() async throws(TaskStoreError) -> SettingsHistory {
        try await read("settingsHistory") { rows in
            try rows.meta()[.settingsHistory].map { text in try SettingsHistory(text: text) } ?? SettingsHistory()
        }
    }

    /// Stores the history. Do so before a request is sent with the settings that it has taken last.
    package func put(_ history: SettingsHistory) async throws(TaskStoreError) {
        let text = history.text
        guard try await read("settingsHistory", .statement, { try $0.meta()[.settingsHistory] }) != text else { return }
        try await write("settingsHistory") { try $0.put(.settingsHistory, text) }
    }
}
