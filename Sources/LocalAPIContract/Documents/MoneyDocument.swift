/// An amount of a currency, or of a provider's credits.
package struct AmountDocument: ContractDocument {
    /// In millionths of the unit.
    package var micros = 0
    /// `USD`, `credits`.
    package var unit = ""
    /// The same as a decimal number: `0.04`.
    package var amount = ""

    package init() {}

    package init(micros: Int, unit: String, amount: String) {
        self.micros = micros
        self.unit = unit
        self.amount = amount
    }

    package mutating func code(_ coder: inout MemberCoder) throws(ContractError) {
        try coder.required("micros", &micros)
        try coder.required("unit", &unit)
        try coder.required("amount", &amount)
    }
}

/// What was spent by attempts that started in a time.
package struct SpendDocument: ContractDocument {
    /// What the rows differ in: `provider`, `account`, `endpoint` or `label.NAME`.
    package var by = ""
    /// RFC 3339. Nil for all time.
    package var since: String?
    package var until: String?
    /// The largest first.
    package var rows: [Row] = []
    package var total = Row()

    /// What a group of attempts has cost.
    package struct Row: ContractDocument {
        /// Nil for attempts without that label, and in the total.
        package var key: String?
        package var attempts = 0
        /// The number of those whose cost is unknown.
        package var unpriced = 0
        /// One amount of each unit.
        package var spent: [AmountDocument] = []
        /// Set aside for attempts whose outcome is unknown.
        package var reserved: [AmountDocument] = []

        package init() {}

        package mutating func code(_ coder: inout MemberCoder) throws(ContractError) {
            try coder.member("key", &key)
            try coder.required("attempts", &attempts)
            try coder.required("unpriced", &unpriced)
            try coder.documents("spent", &spent)
            try coder.documents("reserved", &reserved)
        }
    }

    package init() {}

    package mutating func code(_ coder: inout MemberCoder) throws(ContractError) {
        try coder.required("by", &by)
        try coder.member("since", &since)
        try coder.member("until", &until)
        try coder.documents("rows", &rows)
        try coder.required("total", &total)
    }
}

/// A budget, and what is used of it now.
package struct BudgetDocument: ContractDocument {
    package var name = ""
    /// `day`, `month` or `total`.
    package var per = ""
    package var timeZone = ""
    /// Which tasks count: `provider`, `account`, `endpoint` and `label`; empty for all.
    package var scope: [String: String] = [:]
    /// The limit that applies now.
    package var limit = AmountDocument()
    /// The limit of the settings, if a person has set another one.
    package var settingsLimit: AmountDocument?
    /// `hold` or `refuse`.
    package var onExceed = ""
    /// `allow` or `hold`.
    package var unpriced = ""
    /// From 0 to 1; nil if there is no warning.
    package var warnAt: Double?
    /// RFC 3339. Nil if it has no end.
    package var periodStart: String?
    package var periodEnd: String?
    /// One share, or one for each value of the label that was used.
    package var shares: [Share] = []

    /// What is used of the limit, or of the limit of one value of a label.
    package struct Share: ContractDocument {
        /// The value of the label; nil if the budget is not divided.
        package var value: String?
        package var spent = AmountDocument()
        package var reserved = AmountDocument()
        /// What is left of the limit; it may be negative.
        package var left = AmountDocument()

        package init() {}

        package mutating func code(_ coder: inout MemberCoder) throws(ContractError) {
            try coder.member("value", &value)
            try coder.required("spent", &spent)
            try coder.required("reserved", &reserved)
            try coder.required("left", &left)
        }
    }

    package init() {}

    package mutating func code(_ coder: inout MemberCoder) throws(ContractError) {
        try coder.required("name", &name)
        try coder.required("per", &per)
        try coder.member("time_zone", &timeZone)
        try coder.member("scope", &scope)
        try coder.required("limit", &limit)
        try coder.member("settings_limit", &settingsLimit)
        try coder.member("on_exceed", &onExceed)
        try coder.member("unpriced", &unpriced)
        try coder.member("warn_at", &warnAt)
        try coder.member("period_start", &periodStart)
        try coder.member("period_end", &periodEnd)
        try coder.documents("shares", &shares)
    }
}

/// All budgets of the settings.
package struct BudgetPage: ContractDocument {
    package var budgets: [BudgetDocument] = []

    package init() {}

    package init(budgets: [BudgetDocument]) {
        self.budgets = budgets
    }

    package mutating func code(_ coder: inout MemberCoder) throws(ContractError) {
        try coder.documents("budgets", &budgets)
    }
}

/// What a task of an endpoint costs.
package struct PriceDocument: ContractDocument {
    package var unit = ""
    /// The price in words: `0.04 USD times /n`.
    package var words = ""
    /// Where it is written: `definition` or `prices.yaml`.
    package var origin = ""
    /// Where it is published, and when it was read there.
    package var source: String?
    package var asOf: String?

    package init() {}

    package init(unit: String, words: String, origin: String, source: String?, asOf: String?) {
        self.unit = unit
        self.words = words
        self.origin = origin
        self.source = source
        self.asOf = asOf
    }

    package mutating func code(_ coder: inout MemberCoder) throws(ContractError) {
        try coder.required("unit", &unit)
        try coder.required("words", &words)
        try coder.required("origin", &origin)
        try coder.member("source", &source)
        try coder.member("as_of", &asOf)
    }
}
