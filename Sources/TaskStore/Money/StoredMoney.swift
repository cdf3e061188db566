package import TaskModel
import VerbatimJSON

// The stored forms of budgets, terms and labels. The settings and the definitions have their own.

extension Budget {
    /// The definition as JSON, always in the same form.
    package var storedText: String {
        var scope = JSONObject()
        scope["provider"] = self.scope.provider.map { .string($0.text) }
        scope["account"] = self.scope.account.map { .string($0.text) }
        scope["endpoint"] = self.scope.endpoint.map { .string($0) }
        scope["label"] = self.scope.label.map { .string($0) }
        scope["label_value"] = self.scope.labelValue.map { .string($0) }
        var json = JSONObject([
            ("limit_micros", .number(JSONNumber(limit))), ("unit", .string(unit.text)),
            ("per", .string(period.rawValue)), ("time_zone", .string(timeZone)), ("scope", .object(scope)),
            ("on_exceed", .string(onExceed.rawValue)), ("unpriced", .string(unpriced.rawValue)),
        ])
        json["warn_at"] = warnAt.map { .number(JSONNumber($0)) }
        return JSONValue.object(json).text
    }

    /// Reads a stored definition.
    package init(name: String, storedText: String) throws(TaskStoreError) {
        let json = try StoredDocument.read(storedText).object
        guard let json, let limit = json["limit_micros"]?.number?.integer,
            let unit = json["unit"]?.string.flatMap({ MoneyUnit($0) }),
            let period = json["per"]?.string.flatMap({ Period(rawValue: $0) }),
            let zone = json["time_zone"]?.string
        else { throw .damaged("the budget \(name) cannot be read") }
        self.init(name: name, limit: limit, unit: unit, period: period, timeZone: zone)
        let scope = json["scope"]?.object
        self.scope.provider = scope?["provider"]?.string.flatMap { ProviderName($0) }
        self.scope.account = scope?["account"]?.string.map { AccountName(stored: $0) }
        self.scope.endpoint = scope?["endpoint"]?.string
        self.scope.label = scope?["label"]?.string
        self.scope.labelValue = scope?["label_value"]?.string
        warnAt = json["warn_at"]?.number?.integer.flatMap { Int(exactly: $0) }
        onExceed = json["on_exceed"]?.string.flatMap { Excess(rawValue: $0) } ?? .hold
        unpriced = json["unpriced"]?.string.flatMap { Unpriced(rawValue: $0) } ?? .allow
    }
}

extension SettlementTerms {
    package var storedText: String {
        var json = JSONObject([("unit", .string(unit.text))])
        json["from_record"] = recorded.map { .string($0.pointer.description) }
        json["times_micros"] = recorded.map { .number(JSONNumber($0.times)) }
        if failuresAreFree { json["failures"] = "free" }
        return JSONValue.object(json).text
    }

    package init(storedText: String) throws(TaskStoreError) {
        let json = try StoredDocument.read(storedText).object
        guard let json, let unit = json["unit"]?.string.flatMap({ MoneyUnit($0) }) else {
            throw .damaged("the terms of an attempt cannot be read")
        }
        self.init(unit: unit, failuresAreFree: json["failures"]?.string == "free")
        guard let pointer = json["from_record"]?.string.flatMap({ JSONPointer($0) }) else { return }
        recorded = RecordedCost(at: pointer, times: json["times_micros"]?.number?.integer ?? 1_000_000)
    }
}

/// The stored form of labels: sorted by name, so that equal labels have equal texts.
package enum StoredLabels {
    /// Nil for none.
    package static func text(of labels: [String: String]) -> String? {
        guard !labels.isEmpty else { return nil }
        let members = labels.sorted { $0.key < $1.key }.map { ($0.key, JSONValue.string($0.value)) }
        return JSONValue.object(JSONObject(members)).text
    }

    package static func read(_ text: String?) throws(TaskStoreError) -> [String: String] {
        guard let text else { return [:] }
        let members = try StoredDocument.read(text).object?.members ?? []
        return Dictionary(members.compactMap { member in member.value.string.map { (member.name, $0) } }) { $1 }
    }
}
