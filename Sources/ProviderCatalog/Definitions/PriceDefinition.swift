import TaskModel
import VerbatimJSON

/// Reads what an endpoint costs.
enum PriceDefinition {
    static let fields =
        rowFields + [
            "unit", "table", "from_record", "times", "failures", "source", "as_of",
        ]
    private static let rowFields = ["fixed", "per", "each", "default"]

    /// Whether a provider bills tasks that fail.
    private enum Failures: String, CaseIterable { case billed, free }

    static func price(_ fields: DefinitionFields) throws(CatalogError) -> Price {
        let unit = try fields.required("unit", fields.text)
        guard let unit = MoneyUnit(unit) else {
            throw fields.error("unit", "expected 1 to 16 letters, digits, hyphens and underscores, as in USD")
        }
        var rows: [Price.Row] = []
        if let table = try fields.list("table", allowed: rowFields + ["when"]) {
            if let other = rowFields.first(where: fields.has) {
                throw fields.error(other, "cannot be combined with table, whose rows have their own amounts")
            }
            for (index, entry) in table.enumerated() {
                rows.append(try row(entry, isLast: index == table.count - 1))
            }
        } else if fields.has("fixed") || fields.has("per") || fields.has("each") {
            rows = [try amount(fields)]
        }
        var price = Price(unit: unit, rows: rows)
        if let pointer = try fields.place("from_record") {
            price.recorded = RecordedCost(at: pointer, times: try fields.amount("times") ?? 1_000_000)
        } else if fields.has("times") {
            throw fields.error("times", "is only valid with from_record")
        }
        guard !rows.isEmpty || price.recorded != nil else {
            throw fields.error("expected one of fixed, per, table and from_record")
        }
        let failures: Failures = try fields.choice("failures") ?? .billed
        price.failuresAreFree = failures == .free
        price.source = try fields.text("source")
        price.asOf = try fields.text("as_of")
        return price
    }

    private static func row(_ fields: DefinitionFields, isLast: Bool) throws(CatalogError) -> Price.Row {
        var row = try amount(fields)
        guard let conditions = try fields.fields("when", allowed: nil) else {
            guard isLast else { throw fields.error("a row without when applies to everything, so it must be the last") }
            return row
        }
        for (name, _) in conditions.names {
            guard let pointer = JSONPointer(name), !name.isEmpty, !pointer.matchesSeveral else {
                throw conditions.error(name, "is not a JSON pointer to one member of the request")
            }
            row.conditions.append(Price.Condition(pointer, is: try conditions.required(name, conditions.text)))
        }
        return row
    }

    /// What is `fixed`, or `each` of what `per` names.
    private static func amount(_ fields: DefinitionFields) throws(CatalogError) -> Price.Row {
        if let fixed = try fields.amount("fixed") {
            if let other = ["per", "each", "default"].first(where: fields.has) {
                throw fields.error(other, "cannot be combined with fixed")
            }
            return Price.Row(each: fixed)
        }
        let factors = try fields.required("per", fields.places)
        guard !factors.isEmpty, !factors.contains(where: \.matchesSeveral) else {
            throw fields.error("per", "expected pointers to single members of the request")
        }
        return Price.Row(
            each: try fields.required("each", fields.amount), factors: factors,
            missingFactor: try fields.amount("default"))
    }
}
