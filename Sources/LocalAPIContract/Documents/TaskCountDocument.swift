/// TaskCountDocument is the number of tasks that a filter selects.
package struct TaskCountDocument: ContractDocument {
    package var count = 0
    /// Whether all were counted. Otherwise there are at least so many.
    package var complete = true

    package init() {}

    package init(count: Int, complete: Bool) {
        self.count = count
        self.complete = complete
    }

    package mutating func code(_ coder: inout MemberCoder) throws(ContractError) {
        try coder.required("count", &count)
        try coder.required("complete", &complete)
    }
}

/// LabelPage has names of labels, or values of one.
package struct LabelPage: ContractDocument {
    /// In their order.
    package var texts: [String] = []

    package init() {}

    package init(texts: [String]) { self.texts = texts }

    package mutating func code(_ coder: inout MemberCoder) throws(ContractError) {
        try coder.member("texts", &texts)
    }
}
