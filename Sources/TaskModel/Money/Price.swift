package import VerbatimJSON

/// What a task of an endpoint costs. It is a function of the request, and of the record in which the task ended.
package struct Price: Sendable, Hashable {
    /// One row: what requests cost that meet its conditions.
    package struct Row: Sendable, Hashable {
        package var conditions: [Condition] = []
        /// In micros of the unit: of the whole task, or of one of ``factors``.
        package var each: Int64
        /// The members of the request that multiply the amount: a number of images, of seconds.
        package var factors: [JSONPointer] = []
        /// What stands for a factor that the request lacks, in millionths; nil if the cost is then unknown.
        package var missingFactor: Int64?

        package init(each: Int64, factors: [JSONPointer] = [], missingFactor: Int64? = nil) {
            self.each = each
            self.factors = factors
            self.missingFactor = missingFactor
        }

        /// The cost of a request in micros; nil if the row does not tell it.
        func cost(of request: JSONValue) -> Int64? {
            var cost: Int64? = each
            for factor in factors {
                let value = request.value(at: factor).flatMap { $0.isNull ? Optional.none : $0 }
                let number = value.map { $0.decimal } ?? missingFactor
                cost = cost.flatMap { cost in number.flatMap { Micros.product(cost, $0) } }
            }
            return cost
        }
    }

    /// A member of the request and the text that it must have.
    package struct Condition: Sendable, Hashable {
        package let pointer: JSONPointer
        package let text: String

        package init(_ pointer: JSONPointer, is text: String) {
            self.pointer = pointer
            self.text = text
        }

        func holds(for request: JSONValue) -> Bool { request.value(at: pointer)?.word == text }
    }

    package let unit: MoneyUnit
    /// The first row that a request meets gives its estimate.
    package var rows: [Row]
    /// What the record of an ended task says about its cost.
    package var recorded: RecordedCost?
    /// Whether the provider bills no task that fails.
    package var failuresAreFree = false
    /// Where the price is published, and when it was read there.
    package var source: String?
    package var asOf: String?

    package init(unit: MoneyUnit, rows: [Row], recorded: RecordedCost? = nil) {
        self.unit = unit
        self.rows = rows
        self.recorded = recorded
    }

    /// Whether the estimate needs the request.
    package var dependsOnRequest: Bool { rows.contains { !$0.conditions.isEmpty || !$0.factors.isEmpty } }

    /// What the request is expected to cost; nil if the price does not tell.
    package func estimate(of request: JSONValue) -> Amount? {
        rows.first { $0.conditions.allSatisfy { $0.holds(for: request) } }?.cost(of: request).map {
            Amount(micros: $0, unit: unit)
        }
    }

    /// How an attempt that was made at this price is settled.
    package var terms: SettlementTerms {
        SettlementTerms(unit: unit, recorded: recorded, failuresAreFree: failuresAreFree)
    }

    /// The price in words for people: `0.04 USD times /n`.
    package var words: String {
        let rows = rows.map { row in
            let conditions = row.conditions.map { "\($0.pointer) is \($0.text)" }.joined(separator: " and ")
            let factors = row.factors.map { " times \($0)" }.joined()
            return "\(Amount(micros: row.each, unit: unit))\(factors)\(conditions.isEmpty ? "" : " if \(conditions)")"
        }
        let record = recorded.map { recorded in
            let times = recorded.times == 1_000_000 ? "" : " times \(Micros.text(recorded.times))"
            return "\(unit) by the record's \(recorded.pointer)\(times)"
        }
        return (rows + [record].compactMap(\.self)).joined(separator: "; ")
            + (failuresAreFree ? "; failures are free" : "")
    }
}

/// Where the record of an ended task says what it cost.
package struct RecordedCost: Sendable, Hashable {
    package let pointer: JSONPointer
    /// What the recorded number is multiplied by, in millionths.
    package let times: Int64

    package init(at pointer: JSONPointer, times: Int64 = 1_000_000) {
        self.pointer = pointer
        self.times = times
    }

    /// The cost in micros; nil if the record has none.
    package func cost(in record: JSONValue) -> Int64? { cost(of: record.value(at: pointer)) }

    /// The cost in micros by the value at ``pointer``; nil if that is no number.
    package func cost(of figure: JSONValue?) -> Int64? { figure?.decimal.flatMap { Micros.product($0, times) } }
}

/// How an attempt is settled. It is stored with the attempt's reservation, so that a later change of prices does not
/// change what the attempt cost.
package struct SettlementTerms: Sendable, Hashable {
    package let unit: MoneyUnit
    package var recorded: RecordedCost?
    package var failuresAreFree: Bool

    package init(unit: MoneyUnit, recorded: RecordedCost? = nil, failuresAreFree: Bool = false) {
        self.unit = unit
        self.recorded = recorded
        self.failuresAreFree = failuresAreFree
    }
}

/// What an attempt is expected to cost when it starts.
package struct Charge: Sendable, Hashable {
    package let provider: ProviderName
    /// Nil if no price tells it: the attempt is unpriced, which is never zero.
    package let estimate: Amount?
    /// Nil if the endpoint has no price.
    package let terms: SettlementTerms?

    package init(provider: ProviderName, estimate: Amount? = nil, terms: SettlementTerms? = nil) {
        self.provider = provider
        self.estimate = estimate
        self.terms = terms
    }

    /// The charge for a request at that price.
    package init(provider: ProviderName, price: Price?, request: JSONValue) {
        self.init(provider: provider, estimate: price?.estimate(of: request), terms: price?.terms)
    }
}

extension JSONValue {
    /// The number in millionths, rounded up; nil unless it is a number that is not negative, or one as text.
    fileprivate var decimal: Int64? {
        switch self {
        case .number(let number): Micros.reading(number.digits, roundingUp: true)
        case .string(let text): Micros.reading(text, roundingUp: true)
        case .null, .bool, .array, .object: nil
        }
    }

    /// The text of a word, a number or a truth value.
    fileprivate var word: String? {
        switch self {
        case .string(let text): text
        case .number(let number): number.digits
        case .bool(let flag): String(flag)
        case .null, .array, .object: nil
        }
    }
}
