import TaskModel
import Text
import Yams

/// One entry of `budgets` as the settings file has it.
struct BudgetSettings: Sendable {
    let budget: Budget
    /// The position: "pollux.yaml, line 3".
    let place: String
    /// Everything that was written, to tell a change by.
    let text: String

    private static let keys = [
        "name", "limit", "unit", "per", "time_zone", "scope", "warn_at", "on_exceed", "unpriced",
    ]
    private static let scopeKeys = ["provider", "account", "endpoint", "label"]

    /// Reads the list. `place` is its line in the file at `path`, for messages.
    static func list(of node: Node, place: String, path: String) throws(DaemonError) -> [BudgetSettings] {
        guard case .sequence(let items) = node else {
            throw .badSetting(
                "\(place): budgets must be a list, as in [{name: daily, limit: 20, unit: USD, per: day}].")
        }
        var budgets: [BudgetSettings] = []
        for item in items {
            let budget = try BudgetSettings(item, place: "\(path), line \(item.mark?.line ?? 1)")
            guard !budgets.contains(where: { $0.budget.name == budget.budget.name }) else {
                throw .badSetting("\(budget.place): two budgets have the name \"\(budget.budget.name)\".")
            }
            budgets.append(budget)
        }
        return budgets
    }

    private init(_ node: Node, place: String) throws(DaemonError) {
        let values = try Self.values(of: node, known: Self.keys, what: "a budget", place: place)
        func text(_ key: String) throws(DaemonError) -> String? {
            try values[key].map { node throws(DaemonError) in
                guard let scalar = node.scalar, node.null == nil, !scalar.string.isEmpty else {
                    throw .badSetting("\(place): \(key) of a budget must have one value.")
                }
                return scalar.string
            }
        }
        // The rule of the names of destinations.
        guard let name = try text("name"), DestinationName(name) != nil else {
            throw .badSetting(
                "\(place): each budget must have a name of at most 64 small letters, digits, hyphens and underscores that begins with a letter."
            )
        }
        func required<Value>(_ key: String, _ rule: String, _ read: (String) -> Value?) throws(DaemonError) -> Value {
            let given = try text(key)
            guard let value = given.flatMap(read) else {
                let found = given.map { ", not \"\($0)\"" } ?? ""
                throw .badSetting("\(place): \(key) of budget \"\(name)\" must be \(rule)\(found).")
            }
            return value
        }
        let period = try required("per", "day, month or total") { Budget.Period(rawValue: $0) }
        var budget = Budget(
            name: name,
            limit: try required("limit", "a number from 0 with at most six decimals") { Micros.reading($0) },
            unit: try required("unit", "1 to 16 letters and digits, as in USD") { MoneyUnit($0) }, period: period)
        if values["time_zone"] != nil {
            budget.timeZone = try required("time_zone", "the name of a time zone, as in Europe/Berlin") {
                Budget.timeZone(named: $0) == nil ? nil : $0
            }
        }
        if values["warn_at"] != nil {
            budget.warnAt = try required("warn_at", "a number from 0 to 1, as in 0.8") { text -> Int?? in
                guard let part = Double(text), (0...1).contains(part) else { return nil }
                return .some(part == 0 ? nil : Int((part * 1_000).rounded()))
            }
        }
        if values["on_exceed"] != nil {
            budget.onExceed = try required("on_exceed", "hold or refuse") { Budget.Excess(rawValue: $0) }
        }
        if values["unpriced"] != nil {
            budget.unpriced = try required("unpriced", "allow or hold") { Budget.Unpriced(rawValue: $0) }
        }
        if let node = values["scope"] { budget.scope = try Self.scope(node, of: name, place: place) }
        (self.budget, self.place) = (budget, place)
        self.text = Self.text(of: node)
    }

    private static func scope(_ node: Node, of name: String, place: String) throws(DaemonError) -> Budget.Scope {
        let values = try values(of: node, known: scopeKeys, what: "the scope of budget \"\(name)\"", place: place)
        var scope = Budget.Scope()
        for (key, value) in values.sorted(by: { $0.key < $1.key }) {
            guard let text = value.scalar?.string, value.null == nil, !text.isEmpty else {
                throw .badSetting("\(place): \(key) in the scope of budget \"\(name)\" must have one value.")
            }
            switch key {
            case "provider":
                guard let provider = ProviderName(text) else {
                    throw .badSetting("\(place): budget \"\(name)\": \"\(text)\" is not the name of a provider.")
                }
                scope.provider = provider
            case "account":
                guard let account = AccountName(text) else {
                    throw .badSetting("\(place): budget \"\(name)\": \"\(text)\" is not the name of an account.")
                }
                scope.account = account
            case "endpoint": scope.endpoint = text
            default:
                let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
                guard let label = parts.first, !label.isEmpty, parts.count == 1 || !parts[1].isEmpty else {
                    throw .badSetting(
                        "\(place): label in the scope of budget \"\(name)\" must be a name, or a name with a value, as in project=web."
                    )
                }
                (scope.label, scope.labelValue) = (label, parts.count == 2 ? parts[1] : nil)
            }
        }
        return scope
    }

    private static func values(
        of node: Node, known: [String], what: String, place: String
    ) throws(DaemonError) -> [String: Node] {
        guard case .mapping(let mapping) = node else {
            throw .badSetting("\(place): \(what) must be a list of names with values.")
        }
        var values: [String: Node] = [:]
        for (key, value) in mapping {
            let name = key.string ?? "?"
            guard known.contains(name) else {
                let nearest = NearestName.of(name, among: known).map { " Did you mean \"\($0)\"?" } ?? ""
                throw .badSetting("\(place): \(what) has no \"\(name)\".\(nearest)")
            }
            values[name] = value
        }
        return values
    }

    private static func text(of node: Node) -> String {
        if let scalar = node.scalar { return scalar.string.debugDescription }
        return (node.mapping ?? [:]).map { "\(text(of: $0.key)): \(text(of: $0.value))" }.sorted()
            .joined(separator: ", ")
    }
}
