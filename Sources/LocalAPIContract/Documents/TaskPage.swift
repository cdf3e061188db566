/// One page of tasks, newest first.
package struct TaskPage: ContractDocument {
    package var tasks: [TaskDocument] = []
    /// The `cursor` of the next page; nil on the last page.
    package var nextCursor: String?

    package init() {}

    package init(tasks: [TaskDocument], nextCursor: String? = nil) {
        self.tasks = tasks
        self.nextCursor = nextCursor
    }

    package mutating func code(_ coder: inout MemberCoder) throws(ContractError) {
        try coder.documents("tasks", &tasks)
        try coder.member("next_cursor", &nextCursor)
    }
}
