/// A request to change the limit of a budget until its period ends.
package struct BudgetRequestDocument: ContractDocument {
    /// A decimal number in the budget's unit; nil for the limit of the settings.
    package var limit: String?

    package static let isRequest = true

    package init() {}

    package init(limit: String?) {
        self.limit = limit
    }

    package mutating func code(_ coder: inout MemberCoder) throws(ContractError) {
        try coder.member("limit", &limit)
    }
}
